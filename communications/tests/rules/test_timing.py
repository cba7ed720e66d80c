"""When things go out: by table at the edges of the day, by property over zones and years (STR-3, PRF-4)."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from communications.choices import MessageType, Urgency
from communications.rules import reasons
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.slots import Slot
from communications.rules.timing import Due, Never, Terms, expiry, plan_time, time_to_send
from core.choices import Channel
from preferences.rules.windows import SettingRefused, Window, check_quiet_hours

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
ZONES = [
    ZoneInfo(name)
    for name in ("Asia/Kolkata", "Europe/Rome", "America/New_York", "Asia/Kathmandu", "Pacific/Apia")
]
KOLKATA, ROME, NEW_YORK, KATHMANDU, APIA = ZONES
QUIET_EVENING = Window(time(18), time(9, 30))


def local(zone, *parts):
    return datetime(*parts, tzinfo=zone).astimezone(UTC)


def terms(zone=KOLKATA, urgency=Urgency.NORMAL, channel=Channel.EMAIL, **values):
    values.setdefault("expires_at", datetime(2040, 1, 1, tzinfo=UTC))
    return Terms(urgency=urgency, channel=channel, zone=zone, **values)


def codes(due):
    return [reason.code for reason in due.reasons]


# Local wall clock of the 21st at which it is planned → day and time at which it is due, and why.
EDGES = [
    ("critical", "email", "03:00", (21, "03:00"), ["critical_now"]),
    ("critical", "sms", "23:30", (21, "23:30"), ["critical_now"]),
    ("high", "email", "07:59", (21, "08:00"), ["night"]),
    ("high", "email", "08:00", (21, "08:00"), []),
    ("high", "email", "21:59", (21, "21:59"), []),
    ("high", "email", "22:00", (22, "08:00"), ["night"]),
    ("high", "sms", "20:59", (21, "20:59"), []),
    ("high", "sms", "21:00", (22, "08:00"), ["sms_hours"]),
    ("high", "sms", "22:00", (22, "08:00"), ["sms_hours"]),
    ("high", "whatsapp", "21:00", (21, "21:00"), []),
    ("normal", "email", "07:59", (21, "09:00"), ["contact_window"]),
    ("normal", "email", "08:00", (21, "09:00"), ["contact_window"]),
    ("normal", "email", "09:00", (21, "09:00"), []),
    ("normal", "email", "20:59", (21, "20:59"), []),
    ("normal", "email", "21:00", (22, "09:00"), ["contact_window"]),
    ("normal", "email", "21:59", (22, "09:00"), ["contact_window"]),
    ("normal", "email", "22:00", (22, "09:00"), ["contact_window"]),
    ("normal", "sms", "00:00", (21, "09:00"), ["contact_window"]),
    ("low", "email", "09:59", (21, "10:00"), ["digest_slot"]),
    ("low", "email", "10:00", (21, "10:00"), []),
    ("low", "email", "10:01", (22, "10:00"), ["digest_slot"]),
    ("low", "email", "22:00", (22, "10:00"), ["digest_slot"]),
]


@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: zone.key)
@pytest.mark.parametrize(
    ("urgency", "channel", "now", "expected", "why"), EDGES, ids=[" ".join(edge[:3]) for edge in EDGES]
)
def test_edges_of_the_day(zone, urgency, channel, now, expected, why):
    at = datetime.combine(date(2026, 11, 21), time.fromisoformat(now), tzinfo=zone).astimezone(UTC)
    due = plan_time(terms(zone, Urgency(urgency), Channel(channel)), at)
    day, clock = expected
    assert due.at == datetime.combine(date(2026, 11, day), time.fromisoformat(clock), tzinfo=zone)
    assert codes(due) == why


def test_the_sentence_names_time_zone_and_rule():
    due = plan_time(
        terms(urgency=Urgency.HIGH, quiet_hours=Window(time(22), time(8))), local(KOLKATA, 2026, 11, 21, 23)
    )
    assert due.reasons[0].text == "Held until 08:00 Asia/Kolkata: quiet hours."
    assert codes(due) == ["quiet_hours"]


@pytest.mark.parametrize(
    ("urgency", "quiet", "now", "expected", "why"),
    [
        pytest.param("high", (13, 15), 14, (21, 15), "quiet_hours", id="siesta"),
        pytest.param("high", (20, 6), 23, (22, 8), "night", id="the night is longer than the quiet hours"),
        pytest.param("high", (22, 10), 23, (22, 10), "quiet_hours", id="the quiet hours are longer"),
        pytest.param("normal", (20, 11), 21, (22, 11), "quiet_hours", id="minus the contact window"),
        pytest.param("normal", (20, 7), 20, (22, 9), "contact_window", id="the contact window is last"),
        pytest.param("low", (9, 12), 8, (21, 12), "digest_slot", id="the slot gives way to quiet hours"),
        pytest.param("critical", (0, 23), 3, (21, 3), "critical_now", id="critical"),
    ],
)
def test_quiet_hours(urgency, quiet, now, expected, why):
    quiet_hours = Window(time(quiet[0]), time(quiet[1]))
    due = plan_time(
        terms(urgency=Urgency(urgency), quiet_hours=quiet_hours), local(KOLKATA, 2026, 11, 21, now)
    )
    assert due.at == local(KOLKATA, 2026, 11, *expected)
    assert codes(due)[-1] == why


def test_a_contact_window_that_quiet_hours_empty_gives_way():
    quiet = Window(time(9), time(21))
    due = plan_time(terms(quiet_hours=quiet), local(KOLKATA, 2026, 11, 21, 12))
    assert due.at == local(KOLKATA, 2026, 11, 21, 21)
    assert codes(due) == ["contact_window_gave_way", "quiet_hours"]
    assert due.send_before == local(KOLKATA, 2026, 11, 21, 22)


def test_sms_never_goes_when_its_hours_are_all_quiet():
    quiet = Window(time(8), time(21))
    due = plan_time(
        terms(urgency=Urgency.HIGH, channel=Channel.SMS, quiet_hours=quiet), local(KOLKATA, 2026, 11, 21, 12)
    )
    assert isinstance(due, Never)
    assert due.reason.code == "no_sending_hours"


@pytest.mark.parametrize("urgency", list(Urgency))
def test_pause_holds_everything_but_critical(urgency):
    now = local(KOLKATA, 2026, 11, 21, 12)
    due = plan_time(terms(urgency=urgency, pause_until=local(KOLKATA, 2026, 11, 25, 11)), now)
    if urgency is Urgency.CRITICAL:
        assert due.at == now
    else:
        assert due.at == local(
            KOLKATA,
            2026,
            11,
            26 if urgency is Urgency.LOW else 25,
            *((10,) if urgency is Urgency.LOW else (11,)),
        )
        assert codes(due)[0] == "paused"
        assert "11:00 on 25 November 2026, Asia/Kolkata" in due.reasons[0].text


@pytest.mark.parametrize(
    ("urgency", "send_at", "expected", "why"),
    [
        pytest.param("normal", (22, 15), (22, 15), ["send_at"], id="in the window"),
        pytest.param("normal", (21, 23), (22, 9), ["send_at", "contact_window"], id="in the night"),
        pytest.param(
            "critical", (21, 23), (21, 23), ["send_at", "critical_now"], id="critical, in the night"
        ),
        pytest.param("normal", (20, 15), (21, 12), [], id="in the past"),
    ],
)
def test_not_before_send_at(urgency, send_at, expected, why):
    now = local(KOLKATA, 2026, 11, 21, 12)
    due = plan_time(terms(urgency=Urgency(urgency), send_at=local(KOLKATA, 2026, 11, *send_at)), now)
    assert due.at == local(KOLKATA, 2026, 11, *expected)
    assert codes(due) == why


@pytest.mark.parametrize(
    ("values", "code"),
    [
        pytest.param({"deliver_by": (22, 8)}, "cannot_meet_deadline", id="deadline before the window opens"),
        pytest.param({"deliver_by": (22, 9)}, "cannot_meet_deadline", id="the very instant is too late"),
        pytest.param({"deliver_by": (22, 9, 1)}, None, id="a minute is enough"),
        pytest.param({"deliver_by": (21, 20)}, "cannot_meet_deadline", id="deadline in the past"),
        pytest.param({"expires_at": (22, 9)}, "expired", id="expires before the window opens"),
        pytest.param({"expires_at": (21, 20)}, "expired", id="expired already"),
        pytest.param({"expires_at": (21, 20), "deliver_by": (21, 19)}, "expired", id="expiry comes first"),
        pytest.param({"expires_at": (21, 23), "deliver_by": (21, 19)}, "expired", id="expires this instant"),
        pytest.param(
            {"expires_at": (22, 0), "ends_with_event": True}, "event_passed", id="the event is over"
        ),
    ],
)
def test_deadlines(values, code):
    values = {
        name: local(KOLKATA, 2026, 11, *value) if isinstance(value, tuple) else value
        for name, value in values.items()
    }
    due = plan_time(terms(**values), local(KOLKATA, 2026, 11, 21, 23))
    assert (due.reason.code if isinstance(due, Never) else None) == code


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, (21, 21)),
        ({"urgency": Urgency.HIGH}, (21, 22)),
        ({"urgency": Urgency.HIGH, "channel": Channel.SMS}, (21, 21)),
        ({"quiet_hours": Window(time(18), time(7))}, (21, 18)),
        ({"deliver_by": local(KOLKATA, 2026, 11, 21, 15)}, (21, 15)),
        ({"expires_at": local(KOLKATA, 2026, 11, 21, 14)}, (21, 14)),
        ({"urgency": Urgency.CRITICAL, "expires_at": local(KOLKATA, 2026, 11, 21, 18)}, (21, 18)),
    ],
)
def test_send_before_is_the_end_of_the_window_or_the_deadline(values, expected):
    due = plan_time(terms(**values), local(KOLKATA, 2026, 11, 21, 12))
    assert due.send_before == local(KOLKATA, 2026, 11, *expected)


@pytest.mark.parametrize(
    ("zone", "now", "expected"),
    [
        pytest.param(ROME, (2027, 3, 27, 22), "2027-03-28T06:00Z", id="Rome, the night is an hour shorter"),
        pytest.param(ROME, (2026, 10, 24, 22), "2026-10-25T07:00Z", id="Rome, an hour longer"),
        pytest.param(NEW_YORK, (2027, 3, 13, 22), "2027-03-14T12:00Z", id="New York, an hour shorter"),
        pytest.param(NEW_YORK, (2026, 10, 31, 22), "2026-11-01T13:00Z", id="New York, an hour longer"),
        pytest.param(KATHMANDU, (2026, 11, 21, 22), "2026-11-22T02:15Z", id="Kathmandu, +05:45"),
        pytest.param(APIA, (2026, 11, 21, 22), "2026-11-21T19:00Z", id="Apia, +13: the UTC day before"),
    ],
)
def test_the_night_on_days_when_clocks_change(zone, now, expected):
    due = plan_time(terms(zone, Urgency.HIGH), local(zone, *now))
    assert due.at == datetime.fromisoformat(expected)


def test_quiet_hours_that_end_in_the_hour_that_does_not_exist():
    # 02:30 does not exist; the first valid instant after it is 03:00, and that is night.
    quiet = Window(time(20), time(2, 30))
    due = plan_time(terms(ROME, Urgency.HIGH, quiet_hours=quiet), local(ROME, 2027, 3, 27, 21))
    assert due.at == local(ROME, 2027, 3, 28, 8)


WEEKLY = Slot(time(10), 0, reasons.CLIENT_FREQUENCY)


@pytest.mark.parametrize(
    ("urgency", "full", "now", "expected", "why"),
    [
        pytest.param("normal", [21], (21, 12), (22, 9), ["frequency_cap"], id="the day is full"),
        pytest.param("normal", [22], (21, 12), (21, 12), [], id="another day is full"),
        pytest.param("normal", [21, 22, 23], (21, 12), (24, 9), ["frequency_cap"], id="several days"),
        pytest.param("high", [21], (21, 12), (22, 8), ["frequency_cap"], id="high"),
        pytest.param("critical", [21], (21, 12), (21, 12), ["critical_now"], id="never critical"),
        pytest.param(
            "low", [21], (21, 9), (22, 10), ["digest_slot", "frequency_cap"], id="low: the next slot"
        ),
        pytest.param(
            "normal", [22], (21, 22), (23, 9), ["contact_window", "frequency_cap"], id="after the night"
        ),
        pytest.param("normal", [21], (22, 1), (22, 9), ["contact_window"], id="the day is over"),
    ],
)
def test_frequency_cap(urgency, full, now, expected, why):
    """Local days: 20:30 UTC of the 20th is the 21st in Kolkata."""
    full_days = frozenset(date(2026, 11, day) for day in full)
    due = plan_time(terms(urgency=Urgency(urgency), full_days=full_days), local(KOLKATA, 2026, 11, *now))
    assert due.at == local(KOLKATA, 2026, 11, *expected)
    assert codes(due) == why


def test_a_full_day_does_not_hold_what_is_due_already():
    """It is one of those that fill it."""
    now = local(KOLKATA, 2026, 11, 21, 12)
    assert time_to_send(terms(full_days=frozenset({date(2026, 11, 21)})), now).at == now


def test_the_cap_gives_way_to_no_deadline():
    due = plan_time(
        terms(full_days=frozenset({date(2026, 11, 21)}), deliver_by=local(KOLKATA, 2026, 11, 22, 8)),
        local(KOLKATA, 2026, 11, 21, 12),
    )
    assert due.reason.code == "cannot_meet_deadline"


@pytest.mark.parametrize(
    ("slot", "now", "expected", "why"),
    [
        pytest.param(Slot(time(17), None, reasons.BEST_HOUR), (21, 12), (21, 17), ["best_hour"], id="best"),
        pytest.param(
            Slot(time(17), None, reasons.BEST_HOUR), (21, 18), (22, 17), ["best_hour"], id="tomorrow"
        ),
        pytest.param(Slot(time(17), None, reasons.BEST_HOUR), (21, 17), (21, 17), [], id="this very instant"),
        pytest.param(WEEKLY, (21, 12), (23, 10), ["client_frequency"], id="on Monday"),
        pytest.param(WEEKLY, (23, 10), (23, 10), [], id="Monday at ten"),
        pytest.param(WEEKLY, (23, 10, 1), (30, 10), ["client_frequency"], id="a minute late"),
    ],
)
@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: zone.key)
def test_slots(zone, slot, now, expected, why):
    due = plan_time(terms(zone, slot=slot), local(zone, 2026, 11, *now))
    assert due.at == local(zone, 2026, 11, *expected)
    assert codes(due) == why
    assert due.in_slot


@pytest.mark.parametrize("end", ["deliver_by", "expires_at"])
@pytest.mark.parametrize("slot", [None, WEEKLY])
def test_a_slot_that_would_be_too_late_gives_way(slot, end):
    ours = terms(urgency=Urgency.LOW, slot=slot, **{end: local(KOLKATA, 2026, 11, 22, 9, 30)})
    due = plan_time(ours, local(KOLKATA, 2026, 11, 21, 22))
    assert due.at == local(KOLKATA, 2026, 11, 22, 9)
    assert codes(due) == ["contact_window", "slot_gave_way"]
    assert not due.in_slot


def test_what_can_be_in_time_in_no_way_is_not_sent():
    ours = terms(urgency=Urgency.LOW, deliver_by=local(KOLKATA, 2026, 11, 22, 9))
    assert plan_time(ours, local(KOLKATA, 2026, 11, 21, 22)).reason.code == "cannot_meet_deadline"


def test_a_week_that_is_an_hour_longer_does_not_outlast_a_weekly_message():
    """Asked for just after Monday's slot, seven days end before the next one where the clocks are put back."""
    now = local(NEW_YORK, 2026, 10, 26, 10, 30)
    ours = terms(NEW_YORK, slot=WEEKLY, expires_at=now + 7 * DAY)
    assert plan_time(ours, now).at == now


def test_low_that_is_due_goes_out_although_its_slot_has_begun():
    ours = terms(urgency=Urgency.LOW)
    late = local(KOLKATA, 2026, 11, 21, 10, 5)
    assert time_to_send(ours, late).at == late
    assert plan_time(ours, late).at == local(KOLKATA, 2026, 11, 22, 10)


def test_low_that_missed_its_window_waits_for_the_next_slot():
    due = time_to_send(terms(urgency=Urgency.LOW), local(KOLKATA, 2026, 11, 21, 21, 30))
    assert due.at == local(KOLKATA, 2026, 11, 22, 10)


@pytest.mark.parametrize(
    ("name", "event_date", "expected", "by_event"),
    [
        ("welcome", None, "2026-11-28T12:00Z", False),
        ("welcome", date(2026, 12, 15), "2026-11-28T12:00Z", False),
        ("welcome", date(2026, 11, 23), "2026-11-23T18:30Z", True),
        ("error_notification", date(2026, 11, 20), "2026-11-21T18:00Z", False),
        ("custom", date(2026, 11, 20), "2026-11-28T12:00Z", False),
    ],
)
def test_default_expiry(name, event_date, expected, by_event):
    found = expiry(
        MESSAGE_TYPES[MessageType(name)],
        from_=datetime(2026, 11, 21, 12, tzinfo=UTC),
        event_date=event_date,
        zone=KOLKATA,
    )
    assert found == (datetime.fromisoformat(expected), by_event)


def _is_possible(quiet):
    try:
        check_quiet_hours(quiet.start, quiet.end)
    except SettingRefused:
        return False
    return True


def _change_days():
    """One zone for each way of changing clocks in three years, with the days on which it does."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    found = {}
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        if len({(start + n * 10 * DAY).astimezone(zone).utcoffset() for n in range(110)}) == 1:
            continue
        mornings = [(start + n * DAY).astimezone(zone) for n in range(3 * 366)]
        days = [b.date() for a, b in pairwise(mornings) if a.utcoffset() != b.utcoffset()]
        found.setdefault((tuple(days), mornings[0].utcoffset()), (zone, days))
    return list(found.values())


CHANGE_DAYS = _change_days()
clock_times = st.integers(0, 24 * 4 - 1).map(lambda n: time(n // 4, n % 4 * 15))
quiet_hours = st.none() | st.tuples(clock_times, clock_times).filter(lambda p: p[0] != p[1]).map(
    lambda p: Window(*p)
).filter(_is_possible)
all_zones = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)
minutes = st.integers(0, 10 * 366 * 24 * 60)
around = st.integers(-2 * 24 * 60, 3 * 24 * 60)


@st.composite
def cases(draw):
    """Terms and an instant: any zone and any minute of ten years, or a zone near a change of its clocks."""
    if draw(st.booleans()):
        zone, days = draw(st.sampled_from(CHANGE_DAYS))
        now = datetime.combine(draw(st.sampled_from(days)), time(), tzinfo=UTC) + draw(around) * MINUTE
    else:
        zone = draw(all_zones)
        now = datetime(2026, 1, 1, tzinfo=UTC) + draw(minutes) * MINUTE
    near = st.none() | around.map(lambda n: now + n * MINUTE)
    ours = terms(
        zone,
        draw(st.sampled_from(Urgency)),
        draw(st.sampled_from(Channel)),
        quiet_hours=draw(quiet_hours),
        pause_until=draw(near),
        send_at=draw(near),
    )
    return ours, now


def _inside(at, start, end):
    return start <= at < end if start < end else at >= start or at < end


def _forbidden(ours, instant):
    """The rules once more, by the local clock alone, on days when clocks do not change."""
    clock = instant.astimezone(ours.zone).time()
    quiet = ours.quiet_hours is not None and _inside(clock, ours.quiet_hours.start, ours.quiet_hours.end)
    sms = ours.channel is Channel.SMS and _inside(clock, time(21), time(8))
    return quiet or sms or _inside(clock, time(22), time(8))


def _clock_is_steady(zone, instant):
    return len({(instant + n * DAY).astimezone(zone).utcoffset() for n in (-2, -1, 0, 1, 2)}) == 1


@settings(max_examples=300, deadline=None)
@given(cases())
def test_never_in_the_night_unless_critical(case):
    """STR-3, PRF-4: on no day, in no zone, whatever was set."""
    ours, now = case
    due = plan_time(ours, now)
    if isinstance(due, Never):
        return
    assert due.at >= max(now, ours.send_at or now)
    assert due.send_before > due.at
    if ours.urgency is Urgency.CRITICAL:
        assert due.at == max(now, ours.send_at or now)
        return
    assert time(8) <= due.at.astimezone(ours.zone).time() < time(22)
    assert due.at >= (ours.pause_until or now)
    if _clock_is_steady(ours.zone, due.at):
        assert not _forbidden(ours, due.at)
        assert not _forbidden(ours, due.send_before - MINUTE)


@settings(max_examples=150, deadline=None)
@given(cases())
def test_the_chosen_minute_is_the_earliest_allowed(case):
    ours, now = case
    if ours.urgency in {Urgency.CRITICAL, Urgency.LOW}:
        return
    due = plan_time(ours, now)
    earliest = max(now, ours.send_at or now, ours.pause_until or now)
    if isinstance(due, Never) or not _clock_is_steady(ours.zone, earliest):
        return
    gave_way = "contact_window_gave_way" in codes(due)
    instant = earliest
    while instant < due.at:
        outside_contact = ours.urgency is Urgency.NORMAL and _inside(
            instant.astimezone(ours.zone).time(), time(21), time(9)
        )
        assert _forbidden(ours, instant) or (outside_contact and not gave_way)
        instant += MINUTE


@settings(max_examples=300, deadline=None)
@given(cases(), st.timedeltas(timedelta(0), 3 * DAY))
def test_a_later_now_never_gives_an_earlier_time(case, later_by):
    ours, now = case
    sooner, later = plan_time(ours, now), plan_time(ours, now + later_by)
    if isinstance(sooner, Due) and isinstance(later, Due):
        assert later.at >= sooner.at


@settings(max_examples=200, deadline=None)
@given(cases())
def test_what_is_due_may_go_at_its_time_and_until_its_window_ends(case):
    ours, now = case
    due = plan_time(ours, now)
    if isinstance(due, Due):
        for instant in (due.at, due.send_before - MINUTE):
            found = time_to_send(ours, instant)
            assert (found.at, found.send_before) == (instant, due.send_before)


def test_the_nights_around_every_change_of_clocks():
    """STR-3 by the local clock alone, hour by hour, for each way in which zones change their clocks."""
    for zone, days in CHANGE_DAYS:
        for day in days:
            for hour in range(-12, 36):
                now = datetime.combine(day, time(), tzinfo=UTC) + timedelta(hours=hour)
                for urgency, opens, closes in ((Urgency.HIGH, 8, 22), (Urgency.NORMAL, 9, 21)):
                    due = plan_time(terms(zone, urgency), now)
                    last = due.send_before - MINUTE
                    assert time(opens) <= due.at.astimezone(zone).time() < time(closes), (zone, now)
                    assert time(opens) <= last.astimezone(zone).time() < time(closes), (zone, now)
