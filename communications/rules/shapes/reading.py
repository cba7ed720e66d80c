"""Reading what a planner sent into one form: every problem is named with its place, no value is repeated."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import urlsplit

from communications.rules.text import one_line, printable
from core.errors import FieldProblem

_LONGEST_TEXT: Final = 2_000
_LONGEST_URL: Final = 2_000
_LONGEST_PLACE: Final = 200
_LARGEST_AMOUNT: Final = Decimal(10) ** 15
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?")
_URL: Final = re.compile(r"https?://[!#-;=?-\[\]_a-z~]+", re.IGNORECASE)


class Reader:
    """Collects what is wrong. A field that is wrong reads as empty, so that all problems are found in one go."""

    def __init__(self) -> None:
        self.problems: list[FieldProblem] = []

    def refuse(self, place: str, code: str, message: str) -> None:
        self.problems.append(FieldProblem(f"context.{place[:_LONGEST_PLACE]}", code, message))

    def text(self, value: object, place: str) -> str:
        """One line; a number is written out. Empty for nothing."""
        return one_line(self.paragraph(value, place))

    def paragraph(self, value: object, place: str) -> str:
        """May have several lines."""
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            self.refuse(place, "wrong_type", "Send a text (a JSON string).")
            return ""
        text = printable(str(value)).strip()
        if len(text) > _LONGEST_TEXT:
            self.refuse(place, "too_long", f"Use at most {_LONGEST_TEXT:,} characters.")
            return ""
        return text

    def amount(self, value: object, place: str) -> Decimal | None:
        """Money in whole units of its currency; None for nothing."""
        if value is None or value == "":
            return None
        if not isinstance(value, bool) and isinstance(value, int | float | str | Decimal):
            try:
                amount = Decimal(str(value).strip())
            except (InvalidOperation, ValueError):
                amount = Decimal("NaN")
            if amount.is_finite() and 0 <= amount < _LARGEST_AMOUNT:
                return amount
        self.refuse(place, "invalid_amount", "Give an amount as a number, such as 250000 or 250000.50.")
        return None

    def rating(self, value: object, place: str) -> Decimal | None:
        """0 to 10, to one decimal place: planners rate with five stars or with ten points."""
        if value is None or value == "":
            return None
        rating = None
        if not isinstance(value, bool) and isinstance(value, int | float | str | Decimal):
            try:
                rating = Decimal(str(value).strip())
            except (InvalidOperation, ValueError):
                rating = None
        if rating is None or not rating.is_finite() or not 0 <= rating <= 10:
            self.refuse(place, "invalid_rating", "Give a rating as a number, such as 4.7.")
            return None
        return rating.quantize(Decimal("0.1"))

    def url(self, value: object, place: str) -> str:
        """Where a button may lead: an absolute http(s) URL."""
        if value is None or value == "":
            return ""
        url = value.strip() if isinstance(value, str) else ""
        if not _is_url(url):
            self.refuse(place, "invalid_url", "Give a whole URL, such as https://example.com/a.")
            return ""
        return url

    def image(self, value: object, place: str) -> str:
        """An https URL, or empty: a picture that mail programs would not load is no reason to send nothing."""
        if value is not None and not isinstance(value, str):
            self.refuse(place, "wrong_type", "Send a text (a JSON string).")
            return ""
        url = (value or "").strip()
        return url if url.lower().startswith("https://") and _is_url(url) else ""

    def moment(self, value: object, place: str) -> date | str:
        """A day, where it is written as one, or else the words for it."""
        text = self.text(value, place)
        if _DAY.fullmatch(text):
            try:
                return datetime.fromisoformat(text).date()
            except ValueError:
                self.refuse(place, "invalid_date", "Write the date as YYYY-MM-DD, such as 2026-12-15.")
                return ""
        return text

    def truth(self, value: object, place: str) -> bool:
        if value is None or isinstance(value, bool):
            return bool(value)
        self.refuse(place, "wrong_type", "Send true or false.")
        return False

    def mapping(self, value: object, place: str) -> Mapping[str, Any]:
        if isinstance(value, Mapping):
            return value
        self.refuse(place, "wrong_type", "Send a JSON object.")
        return {}

    def items(self, value: object, place: str, *, most: int) -> Iterator[tuple[Any, str]]:
        """The items of a list, each with its place."""
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            self.refuse(place, "wrong_type", "Send a JSON list.")
            return
        if len(value) > most:
            self.refuse(place, "too_many", f"Give at most {most}.")
            return
        for number, item in enumerate(value):
            yield item, f"{place}[{number}]"


def _is_url(url: str) -> bool:
    """A form that may stand in a link: no spaces, quotes or brackets, no user name, a host."""
    if len(url) > _LONGEST_URL or not _URL.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        return False
