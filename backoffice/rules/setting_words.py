"""Settings and their values, as people say them: pure."""

from collections.abc import Mapping
from datetime import datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from core.choices import Channel
from preferences.choices import CHANNEL_LABELS, Frequency

NAMES: Final[Mapping[str, str]] = {
    "preferred_channels": "Channels",
    "timezone": "Time zone",
    "quiet_hours": "Quiet hours",
    "frequency": "News that can wait",
    "pause_until": "Pause",
}
ORIGINS: Final[Mapping[str, str]] = {
    "default": "nobody chose it",
    "planner": "set by the planning agent",
    "client": "chosen by the client",
    "staff": "set by staff",
}


def value_words(setting: str, values: tuple[Any, ...], zone: ZoneInfo) -> str:
    """The values of a setting's columns; times of a pause in the client's `zone`."""
    first = values[0]
    if first is None:
        return "not set" if setting in {"preferred_channels", "timezone"} else "none"
    if setting == "preferred_channels":
        return ", then ".join(CHANNEL_LABELS[Channel(name)] for name in first) or "none"
    if setting == "quiet_hours":
        start, end = values
        return f"{_clock(start)}–{_clock(end)}"
    if setting == "frequency":
        return Frequency(first).label
    if setting == "pause_until":
        return _day(first, zone)
    return str(first)


def _clock(at: time) -> str:
    return f"{at:%H:%M}"


def _day(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"until {local.day} {local:%B %Y, %H:%M}"
