"""The rules of engine.md once more, slowly and in another way: what decisions are compared with.

Shares no code with the rules, only their data classes. An instant is allowed or not, and it can become so only at the
end of a window or of a local day: those are tried one after the other.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from communications.choices import MessageType, Urgency
from communications.rules.facts import Facts
from core.choices import Channel
from preferences.choices import Frequency

EMAIL, SMS, WHATSAPP = Channel.EMAIL, Channel.SMS, Channel.WHATSAPP
DAY = timedelta(days=1)
GOES_OUT = {
    MessageType.WELCOME: (EMAIL,),
    MessageType.BUDGET_SUMMARY: (EMAIL,),
    MessageType.VENDOR_OPTIONS: (EMAIL, WHATSAPP, SMS),
    MessageType.SELECTION_CONFIRMATION: (EMAIL, SMS),
    MessageType.BLUEPRINT_DELIVERY: (EMAIL, WHATSAPP),
    MessageType.ERROR_NOTIFICATION: (SMS, EMAIL),
    MessageType.REMINDER: (EMAIL,),
}
DETAILED = frozenset(list(GOES_OUT)[:5])
NOT_CAPPED = {
    MessageType.SELECTION_CONFIRMATION,
    MessageType.BLUEPRINT_DELIVERY,
    MessageType.ERROR_NOTIFICATION,
}
MERGED_ALWAYS = {MessageType.TIMELINE_UPDATE, MessageType.TASK_UPDATE}
NOT_BOUND_TO_EVENT = {MessageType.ERROR_NOTIFICATION, MessageType.CUSTOM}

Stretch = tuple[time, time]


@lru_cache(maxsize=200_000)
def instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The first instant of the local time; of one that does not exist, the first whose clock shows a later one."""
    wall = datetime.combine(day, at)
    offsets = {
        datetime.combine(day + n * DAY, time(), tzinfo=UTC).astimezone(zone).utcoffset()
        for n in (-1, 0, 1, 2)
    }
    shown = [(wall - offset).replace(tzinfo=UTC) for offset in offsets if offset is not None]
    exact = [each for each in shown if each.astimezone(zone).replace(tzinfo=None) == wall]
    if exact:
        return min(exact)
    found = min(shown).replace(second=0)
    while found.astimezone(zone).replace(tzinfo=None) < wall:
        found += timedelta(minutes=1)
    return found


def closed_stretches(facts: Facts, channel: Channel) -> list[Stretch]:
    """What is closed of every local day; with the contact window only where it leaves something open."""
    if facts.urgency is Urgency.CRITICAL:
        return []
    closed = [(time(22), time(8))]
    quiet = facts.preferences.quiet_hours
    if quiet is not None:
        closed.append((quiet.start, quiet.end))
    if channel is SMS:
        closed.append((time(21), time(8)))
    if facts.urgency is not Urgency.HIGH:
        with_contact = [*closed, (time(21), time(9))]
        if any(not _in_any(with_contact, end) for _, end in with_contact):
            return with_contact
    return closed


def _in_any(closed: list[Stretch], at: time) -> bool:
    return any(start <= at < end if start < end else at >= start or at < end for start, end in closed)


def is_closed(closed: list[Stretch], zone: ZoneInfo, at: datetime) -> bool:
    today = at.astimezone(zone).date()
    for start, end in closed:
        for offset in (-3, -2, -1, 0, 1):
            day = today + offset * DAY
            last = day + DAY if end < start else day
            if instant(day, start, zone) <= at < instant(last, end, zone):
                return True
    return False


def first_open(closed: list[Stretch], zone: ZoneInfo, at: datetime) -> datetime | None:
    """The candidates are `at` and every end of a window in the days after it."""
    if not is_closed(closed, zone, at):
        return at
    today = at.astimezone(zone).date()
    ends = sorted({instant(today + n * DAY, end, zone) for n in range(-2, 6) for _, end in closed})
    return next((end for end in ends if end > at and not is_closed(closed, zone, end)), None)


def expected_time(facts: Facts, channel: Channel) -> datetime | None:
    """When it goes out on the channel, or None: not in time."""
    ends = ends_at(facts)
    if facts.now >= ends:
        return None
    earliest = max(facts.now, facts.send_at or facts.now)
    if facts.urgency is Urgency.CRITICAL:
        return earliest if earliest < ends else None
    earliest = max(earliest, facts.preferences.pause_until or earliest)
    waiting = _of_days(facts, channel, earliest, in_slot=True) if waits(facts) else None
    if waiting is not None and waiting < ends:
        return waiting
    at_once = _of_days(facts, channel, earliest, in_slot=False)
    return at_once if at_once is not None and at_once < ends else None


def ends_at(facts: Facts) -> datetime:
    """Before when it must go out."""
    accepted = max(facts.now, facts.send_at or facts.now)
    hours = 6 if facts.rule.name is MessageType.ERROR_NOTIFICATION else 7 * 24
    ends = [accepted + timedelta(hours=hours)]
    if facts.event_date is not None and facts.rule.name not in NOT_BOUND_TO_EVENT:
        ends.append(instant(facts.event_date + DAY, time(), facts.zone))
    if facts.deliver_by is not None:
        ends.append(facts.deliver_by)
    return min(ends)


def waits(facts: Facts) -> bool:
    return facts.urgency is Urgency.LOW or (
        may_merge(facts) and facts.preferences.frequency is not Frequency.AT_ONCE
    )


def may_merge(facts: Facts) -> bool:
    name, urgency = facts.rule.name, facts.urgency
    is_kind = name in MERGED_ALWAYS or (name is MessageType.CUSTOM and urgency is Urgency.LOW)
    return (
        is_kind
        and urgency in {Urgency.NORMAL, Urgency.LOW}
        and not facts.has_attachments
        and not facts.expects_answer
    )


def _of_days(facts: Facts, channel: Channel, earliest: datetime, *, in_slot: bool) -> datetime | None:
    """Local day by local day: the first allowed time of a day that is not full."""
    zone, closed = facts.zone, closed_stretches(facts, channel)
    first_day = earliest.astimezone(zone).date()
    for offset in range(-2 if in_slot else 0, 30):
        day = first_day + offset * DAY
        if in_slot:
            found = _slot_of(facts, closed, day)
        else:
            found = first_open(closed, zone, max(earliest, instant(day, time(), zone)))
        if found is None or found < earliest:
            continue
        found_day = found.astimezone(zone).date()
        joins = in_slot and joins_digest(facts, channel) and found_day in digest_days(facts)
        if joins or not is_full(facts, found_day):
            return found
    return None


def _slot_of(facts: Facts, closed: list[Stretch], day: date) -> datetime | None:
    weekly = may_merge(facts) and facts.preferences.frequency is Frequency.WEEKLY
    if weekly and day.isoweekday() != 1:
        return None
    return first_open(closed, facts.zone, instant(day, slot_time(facts), facts.zone))


def slot_time(facts: Facts) -> time:
    by_hour = {hour: facts.engagements_by_hour.get(hour, 0) for hour in range(9, 21)}
    if sum(by_hour.values()) < 5:
        return time(10)
    return time(min(by_hour, key=lambda hour: (-by_hour[hour], hour)))


def is_full(facts: Facts, day: date) -> bool:
    if facts.daily_cap is None or facts.rule.name in NOT_CAPPED:
        return False
    return facts.daily_cap.counted.get(day, 0) >= facts.daily_cap.limit


def joins_digest(facts: Facts, channel: Channel) -> bool:
    """Digests are e-mails."""
    return facts.digests and may_merge(facts) and channel is EMAIL


def digest_days(facts: Facts) -> frozenset[date]:
    return facts.daily_cap.digest_days if facts.daily_cap is not None else frozenset()


def is_open(facts: Facts, channel: Channel) -> bool:
    known, chosen = facts.channels.get(channel), facts.preferences.channels
    return (
        known is not None
        and known.has_contact_point
        and known.consent_allowed
        and not known.suppressed
        and known.configured
        and known.carries_content
        and not known.undeliverable
        and (chosen is None or channel in chosen or facts.urgency is Urgency.CRITICAL)
    )


def expected_channels(facts: Facts, usable: set[Channel]) -> tuple[list[Channel], list[Channel]]:
    """Those that go out, the primary first, and the fallbacks in order, of channels that are open and in time."""
    order = _demoted(facts, sorted(usable, key=lambda channel: _rank(facts, channel)))
    chosen = facts.preferences.channels or ()
    of_type = [
        channel
        for channel in GOES_OUT.get(facts.rule.name, ())
        if not (
            facts.rule.name is MessageType.SELECTION_CONFIRMATION and channel is SMS and SMS not in chosen
        )
    ]
    going = [channel for channel in order if channel in of_type] or order[:1]
    spare = [channel for channel in order if channel not in going]
    if going and going[0] is not EMAIL:
        messaging = [channel for channel in spare if channel is not EMAIL]
        email = [channel for channel in spare if channel is EMAIL]
        spare = messaging + email if facts.urgency is Urgency.CRITICAL else email + messaging
    return going, spare


def _rank(facts: Facts, channel: Channel) -> tuple[int, int]:
    """Its place by the first rule that names it."""
    chosen, name = facts.preferences.channels or (), facts.rule.name
    urgent = facts.urgency in {Urgency.CRITICAL, Urgency.HIGH}
    if channel is facts.preferred_channel:
        return 0, 0
    if urgent and channel is WHATSAPP and WHATSAPP in chosen:
        return 1, 0
    if facts.urgency is Urgency.CRITICAL:
        return 2, [SMS, WHATSAPP, EMAIL].index(channel)
    if name in DETAILED and channel is EMAIL:
        return 3, 0
    if channel in chosen:
        return 4, chosen.index(channel)
    if channel in GOES_OUT.get(name, ()):
        return 5, GOES_OUT[name].index(channel)
    return 6, [EMAIL, WHATSAPP, SMS].index(channel)


# Which of the open channels are ignored ("x") or not ("."), and the places from which the new order is made.
_AFTER_DEMOTION = {
    "x.": (1, 0),
    "x..": (1, 0, 2),
    "x.x": (1, 0, 2),
    ".x.": (0, 2, 1),
    "xx.": (2, 0, 1),
}


def _demoted(facts: Facts, order: list[Channel]) -> list[Channel]:
    known = facts.channels
    hopeful = any(not known[channel].engaged or any(known[channel].engaged[:3]) for channel in order)
    if facts.urgency is Urgency.CRITICAL or not hopeful:
        return order
    pattern = "".join(
        "x"
        if known[channel].engaged[:3] == (False, False, False) and channel is not facts.preferred_channel
        else "."
        for channel in order
    )
    return [order[place] for place in _AFTER_DEMOTION.get(pattern, range(len(order)))]
