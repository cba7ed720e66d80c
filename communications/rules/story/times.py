"""Instants and spans as a story says them: in the client's local time, the viewer's beside it where it differs."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

_SPANS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


class Moments:
    """Says instants one after another. The zone is named with the first; the day whenever it changes.

    `09:00 today in Kolkata (03:30 yours)`, then `09:00:04`, then `08:00 on Wed 4 March`.
    """

    def __init__(self, *, zone: ZoneInfo, viewer_zone: ZoneInfo, now: datetime) -> None:
        self._zone = zone
        self._viewer_zone = viewer_zone
        self._today = now.astimezone(zone).date()
        self._day: date | None = None

    def say(self, at: datetime, *, seconds: bool = False) -> str:
        local = at.astimezone(self._zone)
        words = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
        first = self._day is None
        if local.date() != self._day:
            self._day = local.date()
            words += self._day_words(local.date())
        return words + self._zone_words(at) if first else words

    def _day_words(self, day: date) -> str:
        if day == self._today:
            return " today"
        year = "" if day.year == self._today.year else f" {day.year}"
        return f" on {day:%a} {day.day} {day:%B}{year}"

    def _zone_words(self, at: datetime) -> str:
        words = f" in {place(self._zone)}" if "/" in self._zone.key else f" {self._zone.key}"
        here, there = at.astimezone(self._viewer_zone), at.astimezone(self._zone)
        if here.utcoffset() == there.utcoffset():
            return words
        day = "" if here.date() == there.date() else f" on {here:%a}"
        return f"{words} ({here:%H:%M}{day} yours)"


def place(zone: ZoneInfo) -> str:
    """`Kolkata` of Asia/Kolkata."""
    return zone.key.rpartition("/")[2].replace("_", " ")


def span_words(span: timedelta) -> str:
    """`4 seconds`, `1 minute`, `3 hours`: to the nearest unit, never less than a second."""
    seconds = max(1, round(span.total_seconds()))
    for unit, size in _SPANS:
        # Ten per cent short of a unit still counts as one: waits are spread by as much.
        if seconds >= size * 0.9:
            return _counted(max(1, round(seconds / size)), unit)
    return _counted(seconds, "second")


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}"
