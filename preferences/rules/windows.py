"""Time windows of a client, pure: wall-clock times of an IANA zone, turned into instants at the last moment.

A window is a stretch of every local day and may cross midnight. Its start belongs to it, its end does not.
On each day it runs from the instant of its start to the instant of its end, where a local time that does not
exist stands for the first valid instant after it and one that exists twice for its first. So a window may be
longer, shorter or empty on the days when clocks change.

Instants are aware datetimes; answers are in UTC.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.errors import CrmError

_DAY: Final = timedelta(days=1)
# Windows that leave time on an ordinary day leave some within two days, though clocks change; a zone that skips a
# date makes that one more. Three days without an open instant mean that there is none.
_SEARCH: Final = 3 * _DAY
# The local days, from a day of UTC on, whose stretches bear on what is open on it and in the search that begins there.
_AROUND: Final = tuple(n * _DAY for n in range(-2, 6))
_AROUND_WEEKLY: Final = tuple(n * _DAY for n in range(-2, 10))


class SettingRefused(CrmError):
    """A setting that cannot hold. `detail` is a sentence for whoever set it."""

    code = "setting_refused"


@dataclass(frozen=True)
class Window:
    """A stretch of every local day. `start` after `end` crosses midnight; equal ones are refused."""

    start: time
    end: time

    def __post_init__(self) -> None:
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise SettingRefused("Start and end are local times without a zone.", code="window_has_zone")
        if self.start == self.end:
            raise SettingRefused(
                "Start and end must differ. To have no quiet hours, leave both empty.", code="window_empty"
            )

    @property
    def crosses_midnight(self) -> bool:
        return self.end < self.start

    def complement(self) -> "Window":
        """The rest of the day."""
        return Window(self.end, self.start)

    def __str__(self) -> str:
        return f"{self.start:%H:%M}–{self.end:%H:%M}"


HARD_NIGHT: Final = Window(time(22), time(8))
"""Nothing but critical goes out in it, whatever was set (STR-3)."""

CONTACT_HOURS: Final = Window(time(9), time(21))
"""When normal and low messages go out (PRF-1)."""

SMS_HOURS: Final = Window(time(8), time(21))
"""When an SMS that is not critical goes out (TCPA, 47 CFR 64.1200(c)(1))."""


# Files of the tz database or of some systems that are no zone anybody lives in.
_NO_ZONES: Final = frozenset({"", "localtime", "posixrules", "Factory", "leapseconds", "tzdata.zi"})


@lru_cache(maxsize=1024)
def parse_zone(name: str) -> ZoneInfo:
    """The zone of that name in the tz database. Raises SettingRefused with a sentence otherwise."""
    refused = SettingRefused(
        "This time zone is not known. Use a name of the tz database, such as Asia/Kolkata or Europe/Rome.",
        code="unknown_timezone",
    )
    if name in _NO_ZONES or name.startswith(("posix/", "right/")):
        raise refused
    try:
        return ZoneInfo(name)
    # A folder of the database, a NUL byte, a name longer than the file system takes: all are no zones.
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise refused from error


def instant_of(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The instant of a local time: one that exists twice is its first, one that does not exist is the first
    valid instant after it."""
    wall = datetime.combine(day, at)
    first = wall.replace(tzinfo=zone).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None, fold=0) == wall:
        return first
    # In the gap, fold 1 reads the time with the offset after the change and so lands before the change.
    return _change_between(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), first, zone)


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The instant between the two at which the zone's offset changes; changes happen on whole seconds."""
    old = before.astimezone(zone).utcoffset()
    low, high = int(before.timestamp()), int(after.timestamp()) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


@lru_cache(maxsize=4096)
def _stretch(window: Window, zone: ZoneInfo, day: date) -> tuple[datetime, datetime]:
    """The window that starts on the local `day`, as instants. End not after start: empty on that day."""
    last = day + _DAY if window.crosses_midnight else day
    return instant_of(day, window.start, zone), instant_of(last, window.end, zone)


@dataclass(frozen=True)
class Opening:
    """A stretch of time in which no window is closed: from `start` until before `end` (None: for ever).

    `after` is the place of the window that ends at `start`, the first where several do; None where it was open
    already.
    """

    start: datetime
    end: datetime | None
    after: int | None = None


@lru_cache(maxsize=8192)
def _closed_stretches(
    closed: tuple[Window, ...], zone: ZoneInfo, day: date
) -> tuple[tuple[datetime, datetime, int], ...]:
    """When the windows are closed together around `day` (of UTC): start, end, and the window that ends it."""
    stretches = sorted(
        (start, end, -place)
        for place, window in enumerate(closed)
        for offset in _AROUND
        for start, end in (_stretch(window, zone, day + offset),)
        if start < end
    )
    joined: list[tuple[datetime, datetime, int]] = []
    for start, end, place in stretches:
        if not joined or start > joined[-1][1]:
            joined.append((start, end, -place))
        elif (end, place) > (joined[-1][1], -joined[-1][2]):
            joined[-1] = (joined[-1][0], end, -place)
    return tuple(joined)


def next_opening(closed: Iterable[Window], zone: ZoneInfo, at: datetime) -> Opening | None:
    """What is open at `at`, from then on, or else opens next. None: nothing ever is."""
    instant = at if at.tzinfo is UTC else at.astimezone(UTC)
    after = None
    for start, end, place in _closed_stretches(tuple(closed), zone, instant.date()):
        if instant < start:
            return Opening(instant, start, after)
        if instant < end:
            if end - instant > _SEARCH:
                return None
            instant, after = end, place
    return Opening(instant, None, after)


def next_open(closed: Iterable[Window], zone: ZoneInfo, at: datetime) -> datetime | None:
    """The earliest instant not before `at` that lies in no closed window, or None: there is none."""
    opening = next_opening(closed, zone, at)
    return None if opening is None else opening.start


@lru_cache(maxsize=8192)
def _slots(
    slot: time, weekday: int | None, closed: tuple[Window, ...], zone: ZoneInfo, day: date
) -> tuple[datetime, ...]:
    """The slots of the local days around `day` (of UTC), each as the first open instant from it on."""
    days = (day + offset for offset in (_AROUND if weekday is None else _AROUND_WEEKLY))
    opened = (
        next_open(closed, zone, instant_of(each, slot, zone))
        for each in days
        if weekday is None or each.weekday() == weekday
    )
    return tuple(instant for instant in opened if instant is not None)


def next_slot(
    slot: time, closed: Iterable[Window], zone: ZoneInfo, at: datetime, *, weekday: int | None = None
) -> datetime | None:
    """The earliest instant not before `at` that is a day's slot, or, where the slot itself is closed, the
    first open instant after it. `weekday` (Monday is 0): on such days only. None: nothing is ever open."""
    instant = at if at.tzinfo is UTC else at.astimezone(UTC)
    slots = _slots(slot, weekday, tuple(closed), zone, instant.date())
    return next((found for found in slots if found >= instant), None)


def leaves_time(closed: Iterable[Window]) -> bool:
    """Whether the closed windows leave any part of an ordinary day open."""
    edges = sorted(
        (start, end)
        for window in closed
        for start, end in (
            ((time.min, window.end), (window.start, time.max))
            if window.crosses_midnight
            else ((window.start, window.end),)
        )
    )
    covered = time.min
    for start, end in edges:
        if start > covered:
            return True
        covered = max(covered, end)
    return covered < time.max


def check_quiet_hours(start: time | None, end: time | None) -> Window | None:
    """The quiet hours that two settings mean; None when both are empty.

    Raises SettingRefused when only one is given, when they are equal, or when they and the night leave no
    time of the day at which anything that is not critical could be sent.
    """
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise SettingRefused(
            "Give both the start and the end of the quiet hours, or neither.", code="window_incomplete"
        )
    window = Window(start, end)
    if not leaves_time((window, HARD_NIGHT)):
        raise SettingRefused(
            f"Quiet hours {window} leave no time of the day to write at, because nothing is sent in the "
            f"night ({HARD_NIGHT}) anyway. Choose quiet hours that leave some time of the day free.",
            code="window_leaves_no_time",
        )
    return window
