"""Who did it, as people say it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_KINDS: Final = MappingProxyType({"worker": "a worker", "system": "the system", "staff": "a colleague"})


def actor_words(actor: str, names: Mapping[str, str]) -> str:
    """`names`: those of staff, by the actor. A colleague who is not known any more stays one."""
    kind, _, name = actor.partition(":")
    if kind == "service":
        return f"the program {name}"
    return names.get(actor) or _KINDS.get(kind, actor)
