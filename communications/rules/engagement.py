"""What a client's reactions to earlier messages tell (STR-5; engine.md §Strategy, step 4, and §Time, best hour)."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from core.choices import Channel

REACTS_WITHIN: Final = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message that arrived, or of which nothing else is known (plain SMTP). `reacted_at`: the first human reaction,
    None when there was none. `could_show`: a reaction could have been seen."""

    channel: Channel
    arrived_at: datetime
    reacted_at: datetime | None = None
    could_show: bool = True


def engaged(delivered: Iterable[Delivered], now: datetime) -> dict[Channel, tuple[bool, ...]]:
    """By channel, newest first: whether a human reacted in time. What still has time to is left out."""
    found: dict[Channel, list[bool]] = {}
    for message in sorted(delivered, key=lambda each: each.arrived_at, reverse=True):
        reacted = message.reacted_at is not None and message.reacted_at - message.arrived_at <= REACTS_WITHIN
        if reacted or (message.could_show and now - message.arrived_at >= REACTS_WITHIN):
            found.setdefault(message.channel, []).append(reacted)
    return {channel: tuple(reactions) for channel, reactions in found.items()}


def reactions_by_hour(delivered: Iterable[Delivered], zone: ZoneInfo) -> Mapping[int, int]:
    """How many reactions there were in each local hour, one of each message."""
    return Counter(
        message.reacted_at.astimezone(zone).hour for message in delivered if message.reacted_at is not None
    )
