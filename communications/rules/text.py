"""Texts that strangers typed, made fit to be printed. Pure."""

import re
from typing import Final

# Control characters, halves of surrogate pairs, and marks that turn the direction of the text that follows.
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def printable(text: str) -> str:
    """`text` without characters that nobody can see but that break headers, lines or directions."""
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    if text.isprintable() and "  " not in text:
        # Nearly every text: nothing invisible, and no space but single ones.
        return text.strip()
    text = " ".join(text.split())
    return text if text.isprintable() else " ".join(printable(text).split())


def as_label(name: str) -> str:
    """A planner's name for something as people read it: `makeup_artist` becomes Makeup artist."""
    words = one_line(name.replace("_", " "))
    return words[:1].upper() + words[1:]
