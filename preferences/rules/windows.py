"""Time windows of a client, pure: wall-clock times of an IANA zone, turned into instants at the last moment.

A window is a stretch of every local day and may cross midnight. Its start belongs to it, its end does not.
On each day it runs from the instant of its start to the instant of its end, where a local time that does not
exist stands for the first valid instant after it and one that exists twice for its first. So a window may be
longer, shorter or empty on the days when clocks change.

Instants are aware datetimes; answers are in UTC.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.errors import CrmError

_DAY: Final = timedelta(days=1)
# Windows are at most a day long; a zone that skips a date makes that one more. Five days without an open
# instant mean that there is none.
_SEARCH_DAYS: Final = 5


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


def _stretches(window: Window, zone: ZoneInfo, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The stretches that may touch `at` or come next, in order of time."""
    today = at.astimezone(zone).date()
    for offset in range(-2, 4):
        start, end = _stretch(window, zone, today + offset * _DAY)
        if start < end:
            yield start, end


def end_of(window: Window, zone: ZoneInfo, at: datetime) -> datetime | None:
    """When the stretch that holds `at` ends, or None: `at` is outside the window."""
    for start, end in _stretches(window, zone, at):
        if start > at:
            break
        if at < end:
            return end
    return None


def next_open(closed: Iterable[Window], zone: ZoneInfo, at: datetime) -> datetime | None:
    """The earliest instant not before `at` that lies in no closed window, or None: there is none."""
    closed = tuple(closed)
    instant = at.astimezone(UTC)
    limit = instant + _SEARCH_DAYS * _DAY
    while instant < limit:
        ends = [end for window in closed if (end := end_of(window, zone, instant)) is not None]
        if not ends:
            return instant
        instant = max(ends)
    return None


def window_end(closed: Iterable[Window], zone: ZoneInfo, at: datetime) -> datetime | None:
    """Until when an open instant stays open: the next start of a closed window. None: for ever."""
    starts = (
        next((start for start, _ in _stretches(window, zone, at) if start > at), None) for window in closed
    )
    return min((start for start in starts if start is not None), default=None)


def next_slot(slot: time, closed: Sequence[Window], zone: ZoneInfo, at: datetime) -> datetime | None:
    """The earliest instant not before `at` that is a day's slot, or, where the slot itself is closed, the
    first open instant after it. None: nothing is ever open."""
    today = at.astimezone(zone).date()
    for offset in range(-2, _SEARCH_DAYS):
        opened = next_open(closed, zone, instant_of(today + offset * _DAY, slot, zone))
        if opened is not None and opened >= at:
            return opened
    return None


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
