"""Who did it, as people say it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_KINDS: Final = MappingProxyType({"worker": "a worker", "system": "the system", "staff": "a colleague"})


def actor_words(actor: str, names: Mapping[str, str]) -> str:
    """`names`: those of staff and programs, by the actor. A colleague who is not known any more stays one."""
    return names.get(actor) or _KINDS.get(actor.partition(":")[0], actor)
