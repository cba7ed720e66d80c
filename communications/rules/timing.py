"""When a communication may go out on a channel: wall-clock rules turned into instants at the last moment.

Each rule is a step that may move the instant later and then leaves its reason. A later `now` never gives an
earlier instant. Precedence: expiry, pause, quiet hours and night, then contact window and digest slot.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from communications.choices import Urgency
from communications.rules import reasons
from communications.rules.message_types import MessageTypeRule
from communications.rules.reasons import CHANNEL_WORDS, Reason, ReasonCode, clock_text
from core.choices import Channel
from preferences.rules.windows import (
    CONTACT_HOURS,
    HARD_NIGHT,
    SMS_HOURS,
    Window,
    end_of,
    instant_of,
    leaves_time,
    next_open,
    next_slot,
    window_end,
)

DIGEST_SLOT: Final = time(10)

_JUST_BEFORE: Final = timedelta(microseconds=1)
_BY_CONTACT_WINDOW: Final = frozenset({Urgency.NORMAL, Urgency.LOW})


@dataclass(frozen=True)
class Terms:
    """What bounds the time of one communication on one channel. Instants are aware; `expires_at` is when it
    stops being worth sending, `ends_with_event` that this is because of the event."""

    urgency: Urgency
    channel: Channel
    zone: ZoneInfo
    expires_at: datetime
    ends_with_event: bool = False
    quiet_hours: Window | None = None
    pause_until: datetime | None = None
    send_at: datetime | None = None
    deliver_by: datetime | None = None


@dataclass(frozen=True)
class Due:
    """It may go out from `at` on and before `send_before`."""

    at: datetime
    send_before: datetime
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Never:
    """It can not go out in time on this channel."""

    reason: Reason


@dataclass(frozen=True)
class Closed:
    """The windows in which nothing goes out, in order of precedence, each with the reason it leaves."""

    windows: tuple[Window, ...]
    codes: tuple[ReasonCode, ...]
    contact_window_gave_way: bool = False


@dataclass(frozen=True)
class _Moved:
    """What a step makes of an instant; `at` None: there is none."""

    at: datetime | None
    reasons: tuple[Reason, ...] = ()


_Step = Callable[[Terms, datetime, datetime], _Moved]


def plan_time(terms: Terms, now: datetime) -> Due | Never:
    """The earliest instant, not before `now`, at which the rules let it go out."""
    return _run(_PLANNING, terms, now)


def time_to_send(terms: Terms, now: datetime) -> Due | Never:
    """As `plan_time`, for what is due already: a slot that has come is not waited for again, so the answer is
    `now` itself as long as the window is open."""
    due = _run(_SENDING, terms, now)
    return due if isinstance(due, Never) or due.at <= now else plan_time(terms, now)


def expiry(
    rule: MessageTypeRule, *, from_: datetime, event_date: date | None, zone: ZoneInfo
) -> tuple[datetime, bool]:
    """When a message of this type stops being worth sending, and whether the event is what ends it.

    `from_` is the time of acceptance or the later `send_at`. The event ends with its local day.
    """
    expires_at = from_ + rule.expires_after
    if not rule.ends_with_event or event_date is None:
        return expires_at, False
    event_end = instant_of(event_date + timedelta(days=1), time.min, zone)
    return min(expires_at, event_end), event_end <= expires_at


@lru_cache(maxsize=1024)
def closed_windows(urgency: Urgency, channel: Channel, quiet_hours: Window | None) -> Closed:
    """What is closed for an urgency on a channel. A contact window that the others empty gives way."""
    if urgency is Urgency.CRITICAL:
        return Closed((), ())
    closed = [(HARD_NIGHT, reasons.NIGHT)]
    if quiet_hours is not None:
        closed.insert(0, (quiet_hours, reasons.QUIET_HOURS))
    if channel is Channel.SMS:
        closed.append((SMS_HOURS.complement(), reasons.SMS_HOURS))
    gave_way = False
    if urgency in _BY_CONTACT_WINDOW:
        contact = (CONTACT_HOURS.complement(), reasons.CONTACT_WINDOW)
        if leaves_time(window for window, _ in (*closed, contact)):
            closed.append(contact)
        else:
            gave_way = True
    return Closed(
        tuple(window for window, _ in closed),
        tuple(code for _, code in closed),
        contact_window_gave_way=gave_way,
    )


def _run(steps: tuple[_Step, ...], terms: Terms, now: datetime) -> Due | Never:
    if now >= terms.expires_at:
        return Never(_expired(terms, now))
    at = now
    told: list[Reason] = []
    for step in steps:
        moved = step(terms, at, now)
        if moved.at is None:
            return Never(reasons.NO_SENDING_HOURS.because(channel=CHANNEL_WORDS[terms.channel]))
        at = moved.at
        told += moved.reasons
    return _within_deadline(terms, at, now, tuple(told))


def _within_deadline(terms: Terms, at: datetime, now: datetime, told: tuple[Reason, ...]) -> Due | Never:
    if terms.deliver_by is not None and at >= terms.deliver_by:
        return Never(
            reasons.CANNOT_MEET_DEADLINE.because(
                channel=CHANNEL_WORDS[terms.channel], until=clock_text(terms.deliver_by, terms.zone, now)
            )
        )
    if at >= terms.expires_at:
        return Never(_expired(terms, now))
    closed = closed_windows(terms.urgency, terms.channel, terms.quiet_hours)
    ends = (window_end(closed.windows, terms.zone, at), terms.deliver_by, terms.expires_at)
    return Due(at, min(end for end in ends if end is not None), told)


def _expired(terms: Terms, now: datetime) -> Reason:
    code = reasons.EVENT_PASSED if terms.ends_with_event else reasons.EXPIRED
    return code.because(
        channel=CHANNEL_WORDS[terms.channel], until=clock_text(terms.expires_at, terms.zone, now)
    )


def _held(code: ReasonCode, terms: Terms, until: datetime, now: datetime) -> tuple[Reason, ...]:
    return (code.because(until=clock_text(until, terms.zone, now)),)


def _not_before_send_at(terms: Terms, at: datetime, now: datetime) -> _Moved:
    if terms.send_at is None or terms.send_at <= at:
        return _Moved(at)
    return _Moved(terms.send_at, _held(reasons.SEND_AT, terms, terms.send_at, now))


def _after_pause(terms: Terms, at: datetime, now: datetime) -> _Moved:
    if terms.urgency is Urgency.CRITICAL or terms.pause_until is None or terms.pause_until <= at:
        return _Moved(at)
    return _Moved(terms.pause_until, _held(reasons.PAUSED, terms, terms.pause_until, now))


def _at_digest_slot(terms: Terms, at: datetime, now: datetime) -> _Moved:
    if terms.urgency is not Urgency.LOW:
        return _Moved(at)
    closed = closed_windows(terms.urgency, terms.channel, terms.quiet_hours)
    slot = next_slot(DIGEST_SLOT, closed.windows, terms.zone, at)
    if slot is None or slot == at:
        return _Moved(slot)
    return _Moved(slot, _held(reasons.DIGEST_SLOT, terms, slot, now))


def _in_open_window(terms: Terms, at: datetime, now: datetime) -> _Moved:
    if terms.urgency is Urgency.CRITICAL:
        return _Moved(at, (reasons.CRITICAL_NOW.because(),))
    closed = closed_windows(terms.urgency, terms.channel, terms.quiet_hours)
    opened = next_open(closed.windows, terms.zone, at)
    told = (reasons.CONTACT_WINDOW_GAVE_WAY.because(),) if closed.contact_window_gave_way else ()
    if opened is None or opened == at:
        return _Moved(opened, told)
    return _Moved(opened, told + _held(_code_of_end(closed, terms.zone, opened), terms, opened, now))


def _code_of_end(closed: Closed, zone: ZoneInfo, opened: datetime) -> ReasonCode:
    """The reason of the window that ends when all are open at last; of several the first by precedence."""
    return next(
        code
        for window, code in zip(closed.windows, closed.codes, strict=True)
        if end_of(window, zone, opened - _JUST_BEFORE) == opened
    )


_PLANNING: Final[tuple[_Step, ...]] = (_not_before_send_at, _after_pause, _at_digest_slot, _in_open_window)
_SENDING: Final[tuple[_Step, ...]] = (_not_before_send_at, _after_pause, _in_open_window)
