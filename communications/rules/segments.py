"""How long a text message is, and how it is made to fit one segment (3GPP TS 23.038, TS 23.040; MSG-6).

The GSM alphabet packs 160 septets into a segment, 153 into each of several; its extension table costs two septets a
character. One character outside it turns the whole text to UCS-2: 70 UTF-16 units, 67 in each of several.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

GSM_SINGLE: Final = 160
GSM_PART: Final = 153
UCS2_SINGLE: Final = 70
UCS2_PART: Final = 67

GSM_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENDED: Final = frozenset("\f^{}\\[~]|€")

# What typists and templates use where the GSM alphabet has a plain character that reads the same.
_LOOKALIKES: Final = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc`´", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033«»", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys("\u00a0\u2002\u2003\u2009\u202f\t", " "),
    "\u2026": "...",
    "\u2022": "-",
    "\u00b7": "-",
    "\u200b": "",
    "\u00ad": "",
    "₹": "Rs ",
    "™": "",
    "®": "",
    "©": "(c)",
    "×": "x",
}
_TO_GSM: Final = str.maketrans(_LOOKALIKES)
_MORE: Final = "..."
_JOINER: Final = "\u200d"


class Encoding(StrEnum):
    GSM = "gsm-7"
    UCS2 = "ucs-2"


@dataclass(frozen=True)
class Length:
    """`units`: septets, or UTF-16 code units."""

    encoding: Encoding
    units: int
    segments: int

    @property
    def fits_one(self) -> bool:
        return self.segments <= 1


def to_gsm(text: str) -> str:
    """`text` with typographic characters as the plain ones that read the same, so that they do not halve the room."""
    return text.translate(_TO_GSM)


def is_gsm(text: str) -> bool:
    return all(character in GSM_BASIC or character in GSM_EXTENDED for character in text)


def septets(text: str) -> int:
    """Of a text that is all GSM."""
    return sum(2 if character in GSM_EXTENDED else 1 for character in text)


def utf16_units(text: str) -> int:
    return sum(2 if ord(character) > 0xFFFF else 1 for character in text)


def measure(text: str) -> Length:
    """As the network counts: in several segments no escape pair, surrogate pair or grapheme stands in two of them."""
    if is_gsm(text):
        units = septets(text)
        sizes = [2 if character in GSM_EXTENDED else 1 for character in text]
        return Length(Encoding.GSM, units, 1 if units <= GSM_SINGLE else _parts(sizes, GSM_PART))
    units = utf16_units(text)
    sizes = [utf16_units(grapheme) for grapheme in graphemes(text)]
    return Length(Encoding.UCS2, units, 1 if units <= UCS2_SINGLE else _parts(sizes, UCS2_PART))


def _parts(sizes: Sequence[int], room: int) -> int:
    parts, used = 1, 0
    for size in sizes:
        if used + size > room and used:
            parts, used = parts + 1, 0
        # One grapheme can be longer than a segment: then it is split after all.
        parts, used = parts + (used + size - 1) // room, (used + size - 1) % room + 1
    return parts


def graphemes(text: str) -> Iterator[str]:
    """What a reader takes for one character: a base with its marks, a joined or flag emoji, a Hangul syllable.

    Close to the extended grapheme clusters of UAX #29 and never finer: a virama keeps its consonants together.
    """
    cluster = ""
    for character in text:
        if cluster and _continues(cluster, character):
            cluster += character
        else:
            if cluster:
                yield cluster
            cluster = character
    if cluster:
        yield cluster


def _continues(cluster: str, character: str) -> bool:
    last = cluster[-1]
    if last in "\r\n" or character in "\r\n":
        return last + character == "\r\n"
    if unicodedata.category(character) in {"Mn", "Mc", "Me"} or character == _JOINER:
        return True
    if last == _JOINER or unicodedata.combining(last) == 9:  # a virama: the next consonant belongs to it
        return True
    code = ord(character)
    if 0x1F3FB <= code <= 0x1F3FF or 0xE0020 <= code <= 0xE007F:  # skin tones, tags of flags
        return True
    if 0x1160 <= code <= 0x11FF:  # medial and final jamo
        return 0x1100 <= ord(last) <= 0x11FF
    return _is_flag_half(character) and _is_flag_half(last) and len(cluster) % 2 == 1


def _is_flag_half(character: str) -> bool:
    return 0x1F1E6 <= ord(character) <= 0x1F1FF


def fit(variants: Sequence[str], *, link: str = "") -> str:
    """The first of `variants` (the wordiest first) that goes into one segment with `link` after it; else the last one,
    cut between words. The link is never cut; one that leaves no room for a word of text is left away."""
    candidates = [to_gsm(" ".join(variant.split())) for variant in variants]
    plain_link = link.strip()
    for candidate in candidates:
        whole = f"{candidate} {plain_link}".strip()
        if measure(whole).fits_one:
            return whole
    return _cut(candidates[-1], plain_link) or _cut(candidates[-1], "")


def _cut(text: str, link: str) -> str:
    """Empty when not even a word fits. Cutting away what is not GSM gives the text the wider room again, so a shorter
    text may fit where a longer one does not; the longest that fits is taken."""
    ending = _MORE + (f" {link}" if link else "")
    pieces = _pieces(text)
    for count in range(len(pieces), 0, -1):
        kept = "".join(pieces[:count]).rstrip(" ,;:-(")
        if kept and measure(kept + ending).fits_one:
            return kept + ending
    return ""


def _pieces(text: str) -> list[str]:
    """Where a text may be cut: after words; a word that alone overfills a segment (a script without spaces) after any
    grapheme."""
    pieces: list[str] = []
    for word in text.split(" "):
        lead = " " if pieces else ""
        if measure(word).fits_one and utf16_units(word) <= UCS2_SINGLE // 2:
            pieces.append(lead + word)
        else:
            pieces += _without_spaces(lead, word)
    return pieces


def _without_spaces(lead: str, word: str) -> list[str]:
    if is_gsm(word) or "://" in word:
        return [lead + word]
    first, *rest = graphemes(word)
    return [lead + first, *rest]
