"""Wall-clock windows against a slow oracle, over every zone of the tz database and the days clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preferences.rules.windows import (
    CONTACT_HOURS,
    HARD_NIGHT,
    SMS_HOURS,
    Opening,
    SettingRefused,
    Window,
    check_quiet_hours,
    instant_of,
    leaves_time,
    next_open,
    next_opening,
    next_slot,
    parse_zone,
)

MINUTE = timedelta(minutes=1)
KOLKATA = ZoneInfo("Asia/Kolkata")
ROME = ZoneInfo("Europe/Rome")
NEW_YORK = ZoneInfo("America/New_York")
KATHMANDU = ZoneInfo("Asia/Kathmandu")
APIA = ZoneInfo("Pacific/Apia")


@cache
def _livable_zones():
    zones = []
    for name in sorted(available_timezones()):
        try:
            zones.append(parse_zone(name))
        except SettingRefused:
            continue
    return zones


def _change_days(zone, first_year=2026, years=10):
    """The local days of ten years on which the zone's offset changes."""
    start = datetime(first_year, 1, 1, tzinfo=UTC)
    offsets = [(start + timedelta(days=n)).astimezone(zone) for n in range(366 * years)]
    return [later.date() for earlier, later in pairwise(offsets) if earlier.utcoffset() != later.utcoffset()]


def _first_instant_showing(day, at, zone):
    """The oracle: the first minute at which the local clock shows the wanted time or a later one."""
    wanted = datetime.combine(day, at)
    instant = datetime.combine(day, time(), tzinfo=UTC) - timedelta(hours=16)
    while instant.astimezone(zone).replace(tzinfo=None) < wanted:
        instant += MINUTE
    return instant


def _closed(windows, zone, at):
    """The oracle of windows: every day around, every window, start and end one by one."""
    today = at.astimezone(zone).date()
    for window in windows:
        for offset in (-3, -2, -1, 0, 1):
            day = today + timedelta(days=offset)
            last = day + timedelta(days=1) if window.end < window.start else day
            if instant_of(day, window.start, zone) <= at < instant_of(last, window.end, zone):
                return True
    return False


zones = st.sampled_from(_livable_zones())
instants = st.integers(0, 10 * 366 * 24 * 60).map(lambda n: datetime(2026, 1, 1, tzinfo=UTC) + n * MINUTE)
clock_times = st.times().map(lambda at: at.replace(second=0, microsecond=0))
windows = (
    st.tuples(clock_times, clock_times).filter(lambda pair: pair[0] != pair[1]).map(lambda p: Window(*p))
)


def local(zone, *parts, fold=0):
    return datetime(*parts, tzinfo=zone, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("zone", "day", "at", "expected"),
    [
        pytest.param(ROME, date(2027, 3, 28), time(2, 30), "2027-03-28T01:00Z", id="Rome, gap: to 03:00"),
        pytest.param(ROME, date(2026, 10, 25), time(2, 30), "2026-10-25T00:30Z", id="Rome, twice: the first"),
        pytest.param(NEW_YORK, date(2027, 3, 14), time(2, 0), "2027-03-14T07:00Z", id="New York, gap starts"),
        pytest.param(NEW_YORK, date(2027, 3, 14), time(2, 59), "2027-03-14T07:00Z", id="New York, gap ends"),
        pytest.param(NEW_YORK, date(2026, 11, 1), time(1, 30), "2026-11-01T05:30Z", id="New York, twice"),
        pytest.param(KATHMANDU, date(2026, 11, 21), time(8, 0), "2026-11-21T02:15Z", id="Kathmandu, +05:45"),
        pytest.param(APIA, date(2026, 11, 21), time(8, 0), "2026-11-20T19:00Z", id="Apia, +13"),
        pytest.param(
            APIA, date(2011, 12, 30), time(9, 0), "2011-12-30T10:00Z", id="Apia, a day that never was"
        ),
        pytest.param(
            ZoneInfo("Africa/Cairo"),
            date(2027, 4, 30),
            time(0, 0),
            "2027-04-29T22:00Z",
            id="Cairo, no midnight",
        ),
        pytest.param(
            ZoneInfo("Australia/Lord_Howe"),
            date(2026, 10, 4),
            time(2, 15),
            "2026-10-03T15:30Z",
            id="half an hour",
        ),
    ],
)
def test_local_time_to_instant(zone, day, at, expected):
    assert instant_of(day, at, zone) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "name",
    [
        "Europe/Rome",
        "America/New_York",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "Pacific/Easter",
        "Africa/Cairo",
        "America/Nuuk",
        "Antarctica/Troll",
        "Australia/Lord_Howe",
        "America/Santiago",
        "America/Havana",
    ],
)
def test_every_hour_of_the_days_clocks_change(name):
    zone = ZoneInfo(name)
    for day in _change_days(zone)[:6]:
        for hour in range(24):
            for minute in (0, 30):
                at = time(hour, minute)
                assert instant_of(day, at, zone) == _first_instant_showing(day, at, zone), (day, at)


@settings(max_examples=60, deadline=None)
@given(zones, instants, clock_times)
def test_any_local_time_is_the_first_instant_showing_it(zone, near, at):
    day = near.date()
    assert instant_of(day, at, zone) == _first_instant_showing(day, at, zone)


@pytest.mark.parametrize(
    ("window", "at", "inside"),
    [
        pytest.param(Window(time(22), time(8)), (21, 59), False, id="before"),
        pytest.param(Window(time(22), time(8)), (22, 0), True, id="start belongs to it"),
        pytest.param(Window(time(22), time(8)), (0, 0), True, id="over midnight"),
        pytest.param(Window(time(22), time(8)), (7, 59), True, id="last minute"),
        pytest.param(Window(time(22), time(8)), (8, 0), False, id="end does not"),
        pytest.param(Window(time(13), time(15)), (14, 0), True, id="siesta"),
        pytest.param(Window(time(13), time(15)), (15, 0), False, id="after siesta"),
    ],
)
@pytest.mark.parametrize("zone", [KOLKATA, ROME, NEW_YORK, KATHMANDU, APIA], ids=lambda zone: zone.key)
def test_what_a_window_holds(zone, window, at, inside):
    instant = local(zone, 2026, 11, 21, *at)
    assert (next_open((window,), zone, instant) > instant) is inside


def test_a_window_that_ends_in_the_hour_that_comes_twice_ends_the_first_time():
    window = Window(time(22), time(1, 30))
    first_end = local(NEW_YORK, 2026, 11, 1, 1, 30)
    again = local(NEW_YORK, 2026, 11, 1, 1, 15, fold=1)
    assert next_open((window,), NEW_YORK, local(NEW_YORK, 2026, 11, 1, 1, 29)) == first_end
    assert next_open((window,), NEW_YORK, again) == again


def test_a_window_inside_the_hour_that_does_not_exist_is_empty_that_day():
    window = Window(time(2, 15), time(2, 45))
    day_before, after_gap = local(ROME, 2027, 3, 27, 2, 30), local(ROME, 2027, 3, 28, 3, 0)
    assert next_open((window,), ROME, day_before) == local(ROME, 2027, 3, 27, 2, 45)
    assert next_open((window,), ROME, after_gap) == after_gap


def test_next_open_passes_from_window_to_window():
    closed = (Window(time(22), time(7)), HARD_NIGHT, CONTACT_HOURS.complement())
    opening = next_opening(closed, KOLKATA, local(KOLKATA, 2026, 11, 21, 23))
    assert (opening.start, opening.end) == (local(KOLKATA, 2026, 11, 22, 9), local(KOLKATA, 2026, 11, 22, 21))
    assert opening.after == 2


def test_no_window_is_always_open():
    at = local(KOLKATA, 2026, 11, 21, 3)
    assert next_opening((), KOLKATA, at) == Opening(at, None)


def test_windows_that_cover_the_day_never_open():
    closed = (Window(time(8), time(22)), HARD_NIGHT)
    assert not leaves_time(closed)
    assert next_open(closed, KOLKATA, local(KOLKATA, 2026, 11, 21, 12)) is None
    assert next_slot(time(10), closed, KOLKATA, local(KOLKATA, 2026, 11, 21, 12)) is None


@settings(max_examples=80, deadline=None)
@given(zones, instants, st.lists(windows, max_size=3))
def test_next_open_is_the_earliest_open_minute(zone, at, closed):
    opened = next_open(closed, zone, at)
    if opened is None:
        assert not leaves_time(closed)
        return
    assert opened >= at
    assert not _closed(closed, zone, opened)
    instant = max(at, opened - timedelta(hours=30))
    while instant < opened:
        assert _closed(closed, zone, instant), instant
        instant += 7 * MINUTE


@settings(max_examples=80, deadline=None)
@given(zones, instants, st.lists(windows, min_size=1, max_size=3))
def test_an_open_window_stays_open_until_its_end(zone, at, closed):
    opening = next_opening(closed, zone, at)
    if opening is None:
        return
    opened, end = opening.start, opening.end
    assert end is not None
    assert end > opened
    assert _closed(closed, zone, end)
    for part in range(12):
        assert not _closed(closed, zone, opened + (end - opened) * part / 12)


@settings(max_examples=150, deadline=None)
@given(
    zones,
    instants,
    st.timedeltas(timedelta(0), timedelta(days=3)),
    st.lists(windows, max_size=3),
    clock_times,
)
def test_later_is_never_earlier(zone, at, later_by, closed, slot):
    for find in (
        lambda instant: next_open(closed, zone, instant),
        lambda instant: next_slot(slot, closed, zone, instant),
    ):
        sooner, later = find(at), find(at + later_by)
        if sooner is not None and later is not None:
            assert later >= sooner


@settings(max_examples=200, deadline=None)
@given(st.lists(windows, max_size=4))
def test_leaves_time_is_what_the_minutes_of_a_plain_day_say(closed):
    utc = ZoneInfo("UTC")
    start = datetime(2026, 6, 1, tzinfo=UTC)
    # The edges of windows are the only minutes at which anything changes.
    edges = {0} | {t.hour * 60 + t.minute for window in closed for t in (window.start, window.end)}
    is_open = any(not _closed(closed, utc, start + edge * MINUTE) for edge in edges)
    assert leaves_time(closed) is is_open


def test_slot_that_is_closed_gives_the_next_open_time_of_that_day():
    closed = (Window(time(9, 30), time(11)), HARD_NIGHT)
    at = local(ROME, 2026, 11, 21, 10, 30)
    assert next_slot(time(10), closed, ROME, at) == local(ROME, 2026, 11, 21, 11)
    assert next_slot(time(12), closed, ROME, local(ROME, 2026, 11, 21, 12)) == local(ROME, 2026, 11, 21, 12)
    assert next_slot(time(10), closed, ROME, at + timedelta(hours=1)) == local(ROME, 2026, 11, 22, 11)


def test_the_named_windows():
    assert (str(HARD_NIGHT), str(CONTACT_HOURS), str(SMS_HOURS)) == (
        "22:00–08:00",
        "09:00–21:00",
        "08:00–21:00",
    )
    assert SMS_HOURS.complement() == Window(time(21), time(8))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Europe",
        "Mars/Base",
        "UTC+5",
        "../../etc/passwd",
        "/etc/localtime",
        "posixrules",
        "Factory",
        "a\x00b",
        "right/UTC",
        "posix/Europe/Rome",
        " Europe/Rome",
        "x" * 300,
    ],
)
def test_unknown_zones_are_refused_with_a_sentence(name):
    with pytest.raises(SettingRefused) as refused:
        parse_zone(name)
    assert refused.value.code == "unknown_timezone"
    assert "Asia/Kolkata" in refused.value.detail


@pytest.mark.parametrize(
    "name", ["Asia/Kolkata", "UTC", "Pacific/Apia", "Asia/Calcutta", "America/Argentina/Salta"]
)
def test_known_zones(name):
    assert parse_zone(name).key == name


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        pytest.param(time(22), time(22), "window_empty", id="start = end"),
        pytest.param(time(22), None, "window_incomplete", id="only a start"),
        pytest.param(None, time(8), "window_incomplete", id="only an end"),
        pytest.param(time(8), time(22), "window_leaves_no_time", id="only the night is left"),
        pytest.param(time(7), time(23), "window_leaves_no_time", id="less than the night is left"),
        pytest.param(time(8, tzinfo=UTC), time(9), "window_has_zone", id="a zone in the time"),
    ],
)
def test_quiet_hours_that_cannot_hold(start, end, code):
    with pytest.raises(SettingRefused) as refused:
        check_quiet_hours(start, end)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("start", "end"), [(time(22), time(8)), (time(9), time(21)), (time(8), time(21, 30)), (time(0), time(12))]
)
def test_quiet_hours_that_hold(start, end):
    assert check_quiet_hours(start, end) == Window(start, end)


def test_no_quiet_hours():
    assert check_quiet_hours(None, None) is None
