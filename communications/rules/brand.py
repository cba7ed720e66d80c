"""The colours of a mail, all made from the company's one accent. Pure.

Contrast is WCAG's: text reads at 4.5:1 or better in both themes, whatever accent somebody sets.
"""

import colorsys
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

Rgb = tuple[int, int, int]

_HEX: Final = re.compile(r"#[0-9a-fA-F]{6}")
_WHITE: Final = "#ffffff"
_INK: Final = "#10211f"
_DARK_CARD: Final = "#1e2321"
_TEXT_CONTRAST: Final = 4.5
# Beside the accent: told apart by lightness too, and calm next to each other, on white and on dark.
_SERIES: Final = ("#c58a3d", "#6a5b9a", "#6fa3a0", "#b5605a", "#7d8f4e", "#4f7fa8")
_NOTHING: Final = "#a8a199"


@dataclass(frozen=True)
class Palette:
    """`accent` is for surfaces and, where it can be read, for text: then it is `accent_text`."""

    accent: str
    on_accent: str
    accent_text: str
    tint: str
    tint_text: str
    dark_accent: str
    dark_on_accent: str
    dark_tint: str
    dark_tint_text: str
    series: tuple[str, ...]
    nothing: str


def parse_colour(value: str) -> str:
    """Raises ValueError."""
    if not _HEX.fullmatch(value):
        raise ValueError(f"{value!r} is not a colour; write it as #0f6863.")
    return value


@lru_cache(maxsize=4)
def palette(accent: str) -> Palette:
    accent = accent.lower()
    tint, dark_tint = _mix(accent, _WHITE, 0.88), _mix(accent, _DARK_CARD, 0.65)
    dark_accent = _lightened(accent, on=_DARK_CARD, least=7.0)
    return Palette(
        accent=accent,
        on_accent=_WHITE if _contrast(accent, _WHITE) >= _TEXT_CONTRAST else _INK,
        accent_text=_until_readable(accent, on=_WHITE, towards=_INK, least=_TEXT_CONTRAST),
        tint=tint,
        tint_text=_until_readable(accent, on=tint, towards=_INK, least=_TEXT_CONTRAST),
        dark_accent=dark_accent,
        dark_on_accent=_INK,
        dark_tint=dark_tint,
        dark_tint_text=_until_readable(dark_accent, on=dark_tint, towards=_WHITE, least=_TEXT_CONTRAST),
        series=(accent, *_SERIES),
        nothing=_NOTHING,
    )


def _until_readable(colour: str, *, on: str, towards: str, least: float) -> str:
    for step in range(21):
        mixed = _mix(colour, towards, step / 20)
        if _contrast(mixed, on) >= least:
            return mixed
    return towards


def _lightened(colour: str, *, on: str, least: float) -> str:
    """The same hue, lighter and a little less strong: mixed with white it would turn grey."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in _channels(colour)))
    for step in range(101):
        rgb = colorsys.hls_to_rgb(hue, lightness + (1 - lightness) * step / 100, saturation * 0.6)
        lighter = "#" + "".join(f"{round(channel * 255):02x}" for channel in rgb)
        if _contrast(lighter, on) >= least:
            return lighter
    return _WHITE


def _mix(colour: str, other: str, share: float) -> str:
    """`share` of `other`."""
    mixed = (round(a + (b - a) * share) for a, b in zip(_channels(colour), _channels(other), strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _channels(colour: str) -> Rgb:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _contrast(one: str, other: str) -> float:
    """https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio"""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    linear = [
        channel / 255 / 12.92 if channel / 255 <= 0.04045 else ((channel / 255 + 0.055) / 1.055) ** 2.4
        for channel in _channels(colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
