"""Unmistakable made-up personal data, and finding it again in whatever form somebody wrote it down."""

import base64
import itertools
import json
import quopri
import secrets
import string
from collections import defaultdict
from collections.abc import Iterator, Mapping
from urllib.parse import quote

_EXCERPT = 60
# Needles of one kind begin alike, so that a place without the beginning need not be searched for each of them.
_STEM = 6
_LONGEST_ESCAPE = 12  # bytes for one character, as in \\\\ud83d of an escaped text that is escaped again


class Canaries:
    """Every method makes a new one and remembers where it was put; `needles` are what must not be found."""

    def __init__(self) -> None:
        self.needles: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self._numbers = itertools.count(1000 + secrets.randbelow(3000))

    def word(self, where: str) -> str:
        """A word of plain letters, for places that take nothing else."""
        return self._remember("kanari" + _letters(12), where)

    def text(self, where: str) -> str:
        """A few words, one of them not ASCII, as people write them."""
        return f"Für {self.word(where)} & {self._remember('kanári' + _letters(10), where)}"

    def email(self, where: str) -> str:
        return f"{self.word(where)}@{self.word(where + ' (domain)')}.example"

    def phone(self, where: str) -> str:
        """A valid Indian mobile number; its national part is what is looked for."""
        return "+91" + self._remember(f"981246{next(self._numbers) % 10_000:04}", where)

    def number(self, where: str) -> int:
        return int(self._remember(f"7312465{next(self._numbers):05}", where))

    def name(self, where: str) -> str:
        """A client's name, which `crm_clients.name` may hold and nothing else."""
        first, last = "zorana" + _letters(10), "kovářka" + _letters(10)
        self.names[first] = self.names[last] = where
        return f"{first.capitalize()} {last.capitalize()}"

    def count_as_name(self, text: str) -> None:
        """It was accepted as somebody's name, whatever it looks like."""
        for needle in [needle for needle in self.needles if needle in text]:
            self.names[needle] = self.needles.pop(needle)

    @property
    def everything(self) -> dict[str, str]:
        return {**self.needles, **self.names}

    def _remember(self, needle: str, where: str) -> str:
        self.needles[needle] = where
        return needle


def find(needles: Mapping[str, str], places: Mapping[str, bytes]) -> list[str]:
    """One line for each needle in each place, with what stands around it."""
    alike: dict[str, list[str]] = defaultdict(list)
    for needle in needles:
        alike[needle[:_STEM]].append(needle)
    found = []
    for place, whole in places.items():
        for stem, group in alike.items():
            content = _around(stem, whole, longest=max(map(len, group)))
            for needle in group if content else ():
                at = min((at for _, at in _hits(needle, content)), default=-1)
                if at >= 0:
                    shown = content[max(0, at - _EXCERPT) : at + _EXCERPT].decode(errors="replace")
                    found.append(f"{needles[needle]}: in {place}: …{shown}…")
    return found


def _around(stem: str, content: bytes, *, longest: int) -> bytes:
    """Only those parts of the content that begin as one of the needles does, in any form."""
    reach = longest * _LONGEST_ESCAPE
    starts = sorted(at for _, at in _hits(stem, content))
    return b"\n".join(content[max(0, at - _EXCERPT) : at + reach] for at in starts)


def _hits(needle: str, content: bytes) -> Iterator[tuple[bytes, int]]:
    """Each form of the needle that is there, with every position of it."""
    lowered = content.lower()
    searches = [(lowered, form) for form in folded_forms(needle)] + [
        (content, form) for form in exact_forms(needle)
    ]
    for where, form in searches:
        at = where.find(form)
        while at >= 0:
            yield form, at
            at = where.find(form, at + 1)


def _letters(count: int) -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(count))


def folded_forms(needle: str) -> Iterator[bytes]:
    """Forms that are looked for in lower case: as it is, escaped for JSON, Python or a URL, in hexadecimal."""
    needle = needle.lower()
    utf8 = needle.encode()
    yield utf8
    yield utf8.hex().encode()
    if not needle.isascii():
        yield json.dumps(needle)[1:-1].encode().lower()
        yield ascii(needle)[1:-1].encode()
        yield quote(needle).encode().lower()
        yield quopri.encodestring(utf8).lower()


def exact_forms(needle: str) -> Iterator[bytes]:
    """Base64 at each of the three offsets that a text may have in what was encoded, in both alphabets; with a
    small and a capital letter at the beginning."""
    for text in {needle, needle.lower(), needle.capitalize()}:
        for offset in range(3):
            encoded = base64.b64encode(b"\0" * offset + text.encode())
            whole = encoded[(0, 2, 3)[offset] : (offset + len(text.encode())) * 8 // 6]
            yield whole
            yield whole.translate(bytes.maketrans(b"+/", b"-_"))
