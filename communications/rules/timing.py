"""When a communication may go out on a channel: wall-clock rules turned into instants at the last moment.

Each rule may move the instant later and then leaves its reason. A later `now` never gives an earlier instant.
Precedence: expiry, pause, quiet hours and night, contact window, frequency cap, the client's slot.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from communications.choices import Urgency
from communications.rules import reasons
from communications.rules.message_types import MessageTypeRule
from communications.rules.policy import USUAL_HOURS, Hours
from communications.rules.reasons import CHANNEL_WORDS, Reason, ReasonCode, clock_text
from communications.rules.slots import Slot, daily_slot
from core.choices import Channel
from preferences.rules.windows import (
    HARD_NIGHT,
    SMS_HOURS,
    Opening,
    Window,
    instant_of,
    leaves_time,
    next_opening,
    next_slot,
)

_BY_CONTACT_WINDOW: Final = frozenset({Urgency.NORMAL, Urgency.LOW})
_DAY: Final = timedelta(days=1)
_NO_DAYS: Final[frozenset[date]] = frozenset()


@dataclass(frozen=True)
class Terms:
    """What bounds the time of one communication on one channel. Instants are aware.

    `expires_at` is when it stops being worth sending, `ends_with_event` that this is because of the event.
    `slot`: the time of the day that it waits for; low urgency has one anyway. `full_days`: local days on which the
    client gets no more messages of this kind; in its slot it may still go on `digest_days`, with the digest that
    waits there.
    """

    urgency: Urgency
    channel: Channel
    zone: ZoneInfo
    expires_at: datetime
    ends_with_event: bool = False
    quiet_hours: Window | None = None
    pause_until: datetime | None = None
    send_at: datetime | None = None
    deliver_by: datetime | None = None
    slot: Slot | None = None
    full_days: frozenset[date] = _NO_DAYS
    digest_days: frozenset[date] = _NO_DAYS
    hours: Hours = USUAL_HOURS


@dataclass(frozen=True)
class Due:
    """It may go out from `at` on and before `send_before`. `in_slot`: that is a slot of the client's."""

    at: datetime
    send_before: datetime
    reasons: tuple[Reason, ...] = ()
    in_slot: bool = False


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


def plan_time(terms: Terms, now: datetime) -> Due | Never:
    """The earliest instant, not before `now`, at which the rules let it go out.

    A slot that would come too late gives way: the message then goes out as soon as its window is open.
    """
    slot = terms.slot or (daily_slot(terms.hours) if terms.urgency is Urgency.LOW else None)
    due = _plan(terms, now, slot, terms.full_days - terms.digest_days if slot else terms.full_days)
    if slot is None or isinstance(due, Due):
        return due
    sooner = _plan(terms, now, None, terms.full_days)
    if isinstance(sooner, Never):
        return due
    return replace(sooner, reasons=(*sooner.reasons, reasons.SLOT_GAVE_WAY.because()))


def time_to_send(terms: Terms, now: datetime) -> Due | Never:
    """As `plan_time`, for what is due already: a slot that has come is not waited for again and no day is full, so
    the answer is `now` itself as long as the window is open."""
    due = _plan(terms, now, None, _NO_DAYS)
    return due if isinstance(due, Never) or due.at <= now else plan_time(terms, now)


def expiry(
    rule: MessageTypeRule, *, from_: datetime, event_date: date | None, zone: ZoneInfo
) -> tuple[datetime, bool]:
    """When a message of this type stops being worth sending, and whether the event is what ends it.

    `from_` is the time of acceptance or the later `send_at`. The event ends with its local day.
    """
    expires_at = from_ + rule.expires_after
    # Zones are at most 26 hours apart: what expires two dates earlier expires earlier everywhere.
    if not rule.ends_with_event or event_date is None or event_date - expires_at.date() >= 2 * _DAY:
        return expires_at, False
    event_end = instant_of(event_date + timedelta(days=1), time.min, zone)
    return min(expires_at, event_end), event_end <= expires_at


@lru_cache(maxsize=1024)
def closed_windows(
    urgency: Urgency, channel: Channel, quiet_hours: Window | None, hours: Hours = USUAL_HOURS
) -> Closed:
    """What is closed for an urgency on a channel. A contact window that the others empty gives way."""
    if urgency is Urgency.CRITICAL:
        return Closed((), ())
    closed = [] if quiet_hours is None else [(quiet_hours, reasons.QUIET_HOURS)]
    if channel is Channel.SMS:
        # Before the night: they are closed longer, so they are what tells.
        closed.append((SMS_HOURS.complement(), reasons.SMS_HOURS))
    closed.append((HARD_NIGHT, reasons.NIGHT))
    gave_way = False
    if urgency in _BY_CONTACT_WINDOW:
        contact = (hours.contact.complement(), reasons.CONTACT_WINDOW)
        if leaves_time(window for window, _ in (*closed, contact)):
            closed.append(contact)
        else:
            gave_way = True
    return Closed(
        tuple(window for window, _ in closed),
        tuple(code for _, code in closed),
        contact_window_gave_way=gave_way,
    )


def _plan(terms: Terms, now: datetime, slot: Slot | None, full_days: frozenset[date]) -> Due | Never:
    if now >= terms.expires_at:
        return Never(_expired(terms, now))
    at, told = _begin(terms, now)
    if terms.urgency is Urgency.CRITICAL:
        return _in_time(terms, now, Opening(at, None), (*told, reasons.CRITICAL_NOW.because()))
    closed = closed_windows(terms.urgency, terms.channel, terms.quiet_hours, terms.hours)
    if closed.contact_window_gave_way:
        told.append(reasons.CONTACT_WINDOW_GAVE_WAY.because())
    opening = _next_opening(terms, closed, slot, at)
    if opening is not None and opening.start > at:
        told.append(_held(_why_later(closed, slot, opening), terms, opening.start, now))
    if opening is not None and full_days:
        kept = _past_full_days(terms, closed, slot, opening, full_days)
        if kept is not None and kept is not opening:
            told.append(_held(reasons.FREQUENCY_CAP, terms, kept.start, now))
        opening = kept
    if opening is None:
        return Never(reasons.NO_SENDING_HOURS.because(channel=CHANNEL_WORDS[terms.channel]))
    return _in_time(terms, now, opening, tuple(told), in_slot=slot is not None)


def _begin(terms: Terms, now: datetime) -> tuple[datetime, list[Reason]]:
    """The instant from which on it is asked what is open: not before `send_at`, not during a pause."""
    at, told = now, []
    if terms.send_at is not None and terms.send_at > at:
        at = terms.send_at
        told.append(_held(reasons.SEND_AT, terms, at, now))
    pause_until = None if terms.urgency is Urgency.CRITICAL else terms.pause_until
    if pause_until is not None and pause_until > at:
        at = pause_until
        told.append(_held(reasons.PAUSED, terms, at, now))
    return at, told


def _next_opening(terms: Terms, closed: Closed, slot: Slot | None, at: datetime) -> Opening | None:
    """What is open from `at` on or opens next; with a slot, from the next slot on."""
    if slot is None:
        return next_opening(closed.windows, terms.zone, at)
    begin = next_slot(slot.at, closed.windows, terms.zone, at, weekday=slot.weekday)
    return None if begin is None else next_opening(closed.windows, terms.zone, begin)


def _why_later(closed: Closed, slot: Slot | None, opening: Opening) -> ReasonCode:
    """The reason of the slot, or of the window that ends when all are open at last."""
    if slot is not None:
        return slot.code
    return closed.codes[opening.after or 0]


def _past_full_days(
    terms: Terms, closed: Closed, slot: Slot | None, opening: Opening, full_days: frozenset[date]
) -> Opening | None:
    """The same on the first local day that is not full."""
    kept: Opening | None = opening
    while kept is not None and (day := kept.start.astimezone(terms.zone).date()) in full_days:
        kept = _next_opening(terms, closed, slot, instant_of(day + _DAY, time.min, terms.zone))
    return kept


def _in_time(
    terms: Terms, now: datetime, opening: Opening, told: tuple[Reason, ...], *, in_slot: bool = False
) -> Due | Never:
    """Deadline and expiry: the last word on a time that all other rules allow."""
    at, send_before = opening.start, terms.expires_at
    if terms.deliver_by is not None:
        if at >= terms.deliver_by:
            return Never(
                reasons.CANNOT_MEET_DEADLINE.because(
                    channel=CHANNEL_WORDS[terms.channel], until=clock_text(terms.deliver_by, terms.zone, now)
                )
            )
        send_before = min(send_before, terms.deliver_by)
    if at >= terms.expires_at:
        return Never(_expired(terms, now))
    if opening.end is not None:
        send_before = min(send_before, opening.end)
    return Due(at, send_before, told, in_slot)


def _expired(terms: Terms, now: datetime) -> Reason:
    code = reasons.EVENT_PASSED if terms.ends_with_event else reasons.EXPIRED
    return code.because(
        channel=CHANNEL_WORDS[terms.channel], until=clock_text(terms.expires_at, terms.zone, now)
    )


def _held(code: ReasonCode, terms: Terms, until: datetime, now: datetime) -> Reason:
    told = {"until": clock_text(until, terms.zone, now)}
    if code is reasons.CONTACT_WINDOW:
        told["window"] = f"{terms.hours.contact.start:%H:%M} to {terms.hours.contact.end:%H:%M}"
    return code.because(**told)
