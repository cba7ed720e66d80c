"""The blueprint as a PDF: a planner's text and the facts of the plan, set by typst.

What the client reads is data to the typesetter, never its markup. The same facts give the same bytes, whichever
machine makes them: only our own fonts are used, and no clock.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import typst

from communications.rules.document_text import read_document
from communications.rules.text import one_line, printable

_TEMPLATE: Final = Path(__file__).resolve().parent.parent / "content" / "documents" / "blueprint.typ"
_FONT_PACKAGES: Final = ("fontpkg_fira_sans", "fontpkg_mukta")
# Where paper is Letter (CLDR supplemental data, paperSize).
_LETTER_REGIONS: Final = frozenset(
    {"BZ", "CA", "CL", "CO", "CR", "GT", "MX", "NI", "PA", "PH", "PR", "SV", "US", "VE"}
)
_HEADINGS_FOR_CONTENTS: Final = 8
_LENGTH_FOR_CONTENTS: Final = 6_000
_MONTHS: Final = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_WEEKDAYS: Final = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

_lock = threading.Lock()


@dataclass(frozen=True)
class BlueprintFacts:
    """What the document is made of. What is None or empty is left out. `region` decides the paper."""

    text: str
    client_name: str
    event: str
    event_date: date | None
    location: str | None
    guest_count: int | None
    plan_reference: str
    prepared_on: date
    company: str
    postal_address: str
    support_address: str
    region: str


def make_blueprint(facts: BlueprintFacts) -> bytes:
    """The PDF. Takes some 30 ms and a millisecond a page on top; one at a time in a process."""
    document = json.dumps(_document(facts), ensure_ascii=False)
    with _lock:
        made = _compiler().compile(format="pdf", sys_inputs={"document": document})
    if not isinstance(made, bytes):
        raise TypeError("typst made no single PDF.")
    return made


@cache
def _compiler() -> typst.Compiler:
    fonts = [Path(str(files(package))) / "files" for package in _FONT_PACKAGES]
    return typst.Compiler(_TEMPLATE, root=_TEMPLATE.parent, font_paths=fonts, ignore_system_fonts=True)


def _document(facts: BlueprintFacts) -> dict[str, Any]:
    text = read_document(printable(facts.text))
    event = one_line(facts.event)
    title = text.title or f"Your {event}"
    return {
        "kind": f"{event} blueprint",
        "title": title,
        "title_size": 40 if len(title) <= 28 else 32 if len(title) <= 60 else 25 if len(title) <= 120 else 18,
        "company": facts.company,
        "facts": list(_cover_facts(facts)),
        "contact": [line for line in (facts.postal_address, facts.support_address) if line],
        "prepared": f"Prepared on {_day(facts.prepared_on)}",
        "footer": f"{facts.company} · {title}" if len(title) <= 70 else facts.company,
        "paper": "us-letter" if facts.region in _LETTER_REGIONS else "a4",
        "contents": text.headings >= _HEADINGS_FOR_CONTENTS and len(facts.text) >= _LENGTH_FOR_CONTENTS,
        "blocks": text.blocks,
    }


def _cover_facts(facts: BlueprintFacts) -> Iterator[Mapping[str, str]]:
    day = facts.event_date
    said = (
        ("Date", f"{_WEEKDAYS[day.weekday()]}, {_day(day)}" if day else ""),
        ("Place", one_line(facts.location or "")),
        ("Guests", f"{facts.guest_count:,}" if facts.guest_count else ""),
        ("Prepared for", one_line(facts.client_name)),
        ("Plan", facts.plan_reference),
    )
    return ({"label": label, "value": value} for label, value in said if value)


def _day(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
