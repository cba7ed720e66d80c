"""How many messages a client gets in one local day (engine.md §Time, frequency cap)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from communications.choices import MessageType
from preferences.rules.windows import SettingRefused

_NONE: frozenset[date] = frozenset()


def parse_limit(value: str) -> int | None:
    """The setting: a whole number from 1 on, or empty for no cap. Raises SettingRefused."""
    text = value.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise SettingRefused(
            "Write how many messages a client may get in a day, at least 1; leave it empty for no cap.",
            code="cap_too_low",
        )
    return int(text)


@dataclass(frozen=True)
class DailyCap:
    """How many capped messages a client gets in a local day, and how many they have by day, sent or planned;
    companions are not counted, and what is held for one digest counts once.

    `digest_days`: the days on which a digest waits already: one message more in it is no message more in the day.
    Raises SettingRefused for a limit below 1.
    """

    limit: int
    counted: Mapping[date, int]
    digest_days: frozenset[date] = _NONE

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise SettingRefused(
                "The daily cap must be at least 1. To have no cap, leave it empty.", code="cap_too_low"
            )

    @property
    def full_days(self) -> frozenset[date]:
        return frozenset(day for day, count in self.counted.items() if count >= self.limit)


@dataclass(frozen=True, slots=True)
class Planned:
    """A capped message of a client that was sent or is planned. `batch_key`: of the digest that it is held for.
    `waits_for`: plan and type of one that is not sent yet, by which another can take its place."""

    at: datetime
    batch_key: str = ""
    waits_for: tuple[UUID, MessageType] | None = None


def cap_of(limit: int | None, planned: Iterable[Planned], zone: ZoneInfo) -> DailyCap | None:
    """The cap with what counts for it, by the local days of `zone`; None: there is none."""
    if limit is None:
        return None
    counted: dict[date, int] = {}
    digests: set[str] = set()
    digest_days: set[date] = set()
    for message in planned:
        day = message.at.astimezone(zone).date()
        if message.batch_key:
            digest_days.add(day)
            if message.batch_key in digests:
                continue
            digests.add(message.batch_key)
        counted[day] = counted.get(day, 0) + 1
    return DailyCap(limit, counted, frozenset(digest_days))
