"""What can wait goes out at one time of the client's day, and may be merged there (engine.md §Time, §Batching)."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from communications.choices import Urgency
from communications.rules import reasons
from communications.rules.message_types import MessageTypeRule
from communications.rules.policy import USUAL_HOURS, Hours
from communications.rules.reasons import ReasonCode
from core.choices import Channel, Purpose
from preferences.choices import Frequency

WEEKLY_DAY: Final = 0  # Monday
ENGAGEMENTS_FOR_BEST_HOUR: Final = 5
# A list of news fills no text message: on the other channels each goes out by itself in its slot.
DIGEST_CHANNELS: Final = frozenset({Channel.EMAIL})

_NEVER_MERGED: Final = frozenset({Urgency.CRITICAL, Urgency.HIGH})


@dataclass(frozen=True)
class Slot:
    """A local time of every day, or of one weekday (Monday is 0), and the reason that waiting for it leaves."""

    at: time = USUAL_HOURS.digest_slot
    weekday: int | None = None
    code: ReasonCode = reasons.DIGEST_SLOT


DAILY_SLOT: Final = Slot()


def daily_slot(hours: Hours) -> Slot:
    """When low messages go out while nothing better is known."""
    return Slot(hours.digest_slot)


def may_be_merged(
    rule: MessageTypeRule, urgency: Urgency, *, has_attachments: bool, expects_answer: bool
) -> bool:
    """Whether a message can wait for others: not one that is urgent, carries attachments or expects an answer."""
    return (
        (rule.mergeable if urgency is Urgency.LOW else rule.mergeable_above_low)
        and urgency not in _NEVER_MERGED
        and not has_attachments
        and not expects_answer
    )


def slot_for(
    urgency: Urgency,
    *,
    mergeable: bool,
    frequency: Frequency,
    engagements_by_hour: Mapping[int, int],
    hours: Hours = USUAL_HOURS,
) -> Slot | None:
    """The slot that a message waits for, or None: it goes as soon as its window is open."""
    by_frequency = mergeable and frequency is not Frequency.AT_ONCE
    if urgency is not Urgency.LOW and not by_frequency:
        return None
    hour = best_hour(engagements_by_hour, hours)
    at = hours.digest_slot if hour is None else time(hour)
    if by_frequency:
        weekday = WEEKLY_DAY if frequency is Frequency.WEEKLY else None
        return Slot(at, weekday, reasons.CLIENT_FREQUENCY)
    return daily_slot(hours) if hour is None else Slot(at, None, reasons.BEST_HOUR)


def best_hour(engagements_by_hour: Mapping[int, int], hours: Hours = USUAL_HOURS) -> int | None:
    """The local hour at which the client reacts most, the first of several; None while there are too few human
    engagements to tell. Those outside the contact hours tell nothing about when to write."""
    open_hours = [hour for hour in range(24) if hours.contact.start <= time(hour) < hours.contact.end]
    counted = Counter({hour: engagements_by_hour.get(hour, 0) for hour in open_hours})
    if counted.total() < ENGAGEMENTS_FOR_BEST_HOUR:
        return None
    return counted.most_common(1)[0][0]


def batch_key(channel: Channel, purpose: Purpose, slot_at: datetime, zone: ZoneInfo) -> str:
    """What the members of one digest of a client share: channel, purpose and the local day of the slot."""
    return f"{channel}:{purpose}:{slot_at.astimezone(zone).date()}"
