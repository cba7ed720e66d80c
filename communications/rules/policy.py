"""What an installation sets about the hours of a day: the contact window and the slot of what can wait. Pure."""

import re
from dataclasses import dataclass
from datetime import time
from functools import lru_cache
from typing import Final

from preferences.rules.windows import CONTACT_HOURS, HARD_NIGHT, SettingRefused, Window, leaves_time

_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_WINDOW: Final = re.compile(r"(\S+?)\s*[-–]\s*(\S+)")


@dataclass(frozen=True)
class Hours:
    """`contact`: when normal and low messages go out. `digest_slot`: when low ones do, and digests."""

    contact: Window = CONTACT_HOURS
    digest_slot: time = time(10)


USUAL_HOURS: Final = Hours()


@lru_cache(maxsize=16)
def parse_hours(contact: str, digest_slot: str) -> Hours:
    """The two settings together. Raises SettingRefused."""
    window, slot = parse_contact_hours(contact), parse_slot(digest_slot)
    inside = window.start <= slot < window.end
    if not inside:
        raise SettingRefused(
            f"The digest slot {slot:%H:%M} lies outside the contact hours {window}. Choose a time inside them.",
            code="slot_outside_contact_hours",
        )
    return Hours(window, slot)


def parse_contact_hours(value: str) -> Window:
    """`09:00-21:00`, of one day, with some time outside the night. Raises SettingRefused."""
    match = _WINDOW.fullmatch(value.strip())
    if match is None:
        raise SettingRefused("Write the contact hours as 09:00-21:00.", code="no_window")
    window = Window(parse_slot(match[1]), parse_slot(match[2]))
    if window.crosses_midnight or not leaves_time((window.complement(), HARD_NIGHT)):
        raise SettingRefused(
            f"Contact hours are of one day and leave some time outside the night ({HARD_NIGHT}), as 09:00-21:00.",
            code="window_leaves_no_time",
        )
    return window


def parse_slot(value: str) -> time:
    """`10:00`. Raises SettingRefused."""
    match = _CLOCK.fullmatch(value.strip())
    if match is None:
        raise SettingRefused("Write a time of the day as 10:00.", code="no_time")
    return time(int(match[1]), int(match[2]))
