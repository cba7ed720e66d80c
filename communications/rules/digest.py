"""What a digest is made of, and how its messages read in it (STR-4; engine.md §Batching)."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeVar

from communications.choices import Urgency

LARGEST: Final = 10
"""So many messages a digest brings together at most."""

_Message = TypeVar("_Message")
# How our texts begin and end: "Hello Priya," and, after a line of its own, who we are.
_GREETING: Final = re.compile(r"(?:Hello|Dear)\b[^\n]{0,200},")
_SIGNATURE: Final = re.compile(r"^--\s*$", re.MULTILINE)
_BETWEEN_PARAGRAPHS: Final = re.compile(r"\n\s*\n")
_MORE_URGENT_FIRST: Final = tuple(Urgency)


@dataclass(frozen=True)
class MemberTerms:
    """What bounds one message of a digest."""

    urgency: Urgency
    expires_at: datetime
    deliver_by: datetime | None = None


def portions(messages: Sequence[_Message]) -> Iterator[list[_Message]]:
    """The messages in their order, in as few digests as may be. One that is left over is sent as itself."""
    waiting = iter(messages)
    while portion := list(islice(waiting, LARGEST)):
        yield portion


def terms_of_all(members: Sequence[MemberTerms]) -> MemberTerms:
    """Of the digest: as urgent as the most urgent of them, and in time for each."""
    deadlines = [member.deliver_by for member in members if member.deliver_by is not None]
    return MemberTerms(
        urgency=min((member.urgency for member in members), key=_MORE_URGENT_FIRST.index),
        expires_at=min(member.expires_at for member in members),
        deliver_by=min(deadlines, default=None),
    )


def digest_items(contents: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """How the messages read in a digest: `headline` and `paragraphs` of each.

    Greeting and signature are the digest's own; so is what every one of them says, such as whom to write to, unless it
    is all that one says.
    """
    bodies = [_paragraphs(content["text"]) for content in contents]
    said_by = Counter(paragraph for body in bodies for paragraph in set(body))
    items = []
    for content, body in zip(contents, bodies, strict=True):
        own = [paragraph for paragraph in body if said_by[paragraph] < len(bodies)]
        items.append({"headline": content["subject"], "paragraphs": own or body})
    return items


def _paragraphs(text: str) -> list[str]:
    body = _SIGNATURE.split(text.strip(), maxsplit=1)[0]
    parts = [part.strip() for part in _BETWEEN_PARAGRAPHS.split(body)]
    if len(parts) > 1 and _GREETING.fullmatch(parts[0]):
        parts = parts[1:]
    return [part for part in parts if part]
