"""Who gets how much of a claim, and how large it is (engine.md §Delivery: urgent first, nobody starves).

A claim takes the most urgent first. Of its room a part is kept for normal and for low messages, so that neither
waits for ever behind more urgent ones that keep coming; what they leave of it is not given away but claimed with
the next claim, a moment later. Critical and high ones keep nothing for each other: both are in time or late.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from communications.choices import Urgency
from communications.rules.message_types import priority_of

KEPT: Final[Mapping[int, float]] = MappingProxyType(
    {priority_of(Urgency.NORMAL): 0.2, priority_of(Urgency.LOW): 0.05}
)
SHARED_FROM: Final = 8
"""Smaller claims are strictly by urgency: a part of them would be less than one message."""

LARGEST_CLAIM: Final = 256
SMALLEST_CLAIM: Final = 24
CLAIM_SECONDS: Final = 2.0
"""About how long a worker is busy with one claim. Whoever is more urgent waits that long at most."""


def kept_for_later(priorities: Sequence[int], limit: int) -> list[int]:
    """For each of `priorities`, the soonest first: how much of `limit` the ones behind it are sure of."""
    kept = [
        max(1, int(limit * KEPT[each])) if each in KEPT and limit >= SHARED_FROM else 0 for each in priorities
    ]
    return [sum(kept[place + 1 :]) for place in range(len(priorities))]


def claim_size(*, sent: int, seconds: float) -> int:
    """How many to claim next, by how long the last `sent` took: small claims while a provider is slow."""
    if sent == 0 or seconds <= 0:
        return SMALLEST_CLAIM
    return max(SMALLEST_CLAIM, min(LARGEST_CLAIM, int(sent / seconds * CLAIM_SECONDS)))
