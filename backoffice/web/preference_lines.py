"""A client's preferences in one line each."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from communications.rules.reasons import CHANNEL_WORDS
from core.choices import Channel
from preferences.rules.windows import HARD_NIGHT
from preferences.selectors.effective import EffectivePreferences


@dataclass(frozen=True)
class PreferenceLine:
    name: str
    text: str


def preference_lines(
    preferences: EffectivePreferences, allowed: Collection[Channel], *, now: datetime
) -> list[PreferenceLine]:
    lines = [
        PreferenceLine("May be written to", _allowed(allowed)),
        PreferenceLine("Channels", _channels(preferences.chosen_channels)),
        PreferenceLine("Time zone", _zone(preferences, now)),
        PreferenceLine("Quiet hours", _quiet_hours(preferences)),
    ]
    if preferences.pause_until is not None and preferences.pause_until > now:
        until = preferences.pause_until.astimezone(preferences.zone)
        lines.append(PreferenceLine("Paused", f"Until {until.day} {until:%B %Y, %H:%M} their time."))
    return lines


def _allowed(channels: Collection[Channel]) -> str:
    words = [CHANNEL_WORDS[channel] for channel in Channel if channel in channels]
    return _sentence(" and ".join(words)) if words else "On no channel."


def _channels(chosen: tuple[Channel, ...] | None) -> str:
    if not chosen:
        return "Not chosen: each message takes its usual channel."
    return _sentence(", then ".join(CHANNEL_WORDS[channel] for channel in chosen))


def _zone(preferences: EffectivePreferences, now: datetime) -> str:
    place = preferences.zone.key.rpartition("/")[2].replace("_", " ")
    if preferences.zone_is_default:
        return f"Not known: {place} stands in."
    return f"{place}, where it is {now.astimezone(preferences.zone):%H:%M} now."


def _quiet_hours(preferences: EffectivePreferences) -> str:
    if preferences.quiet_hours is None:
        return f"None set. At night, {HARD_NIGHT}, only critical messages go out."
    return f"{preferences.quiet_hours} their time."


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
