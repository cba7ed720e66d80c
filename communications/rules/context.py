"""The one place that normalises the planner's context (api.md, Context shapes)."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from core.errors import FieldProblem, Invalid

MAX_DEPTH: Final = 20
MAX_LEAVES: Final = 10_000

_MAX_NAME: Final = 200
_MAX_ADDRESS: Final = 320
_MAX_PLACE: Final = 300
_MAX_GUESTS: Final = 1_000_000
_YEARS: Final = range(1900, 2201)
_DATE_FIRST: Final = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?", re.DOTALL)

BASE_FIELDS: Final = frozenset(
    {
        "client_name",
        "client_email",
        "client_phone",
        "recipient_email",
        "recipient_phone",
        "event_type",
        "event_date",
        "guest_count",
        "budget",
        "location",
        "plan_id",
    }
)


@dataclass(frozen=True)
class Context:
    """The base fields, None where the planner gave nothing, and everything else as it came in `variables`.

    Addresses are as given: whoever stores them normalises and checks them. `email` and `phone` are the
    client's, or else the recipient's. `event_date` is the local date of the event.
    """

    client_name: str | None
    email: str | None
    phone: str | None
    event_type: str | None
    event_date: date | None
    guest_count: int | None
    budget: Decimal | None
    location: str | None
    variables: Mapping[str, Any]

    @property
    def holds_selection(self) -> bool:
        """Whether it tells that the client has selected, in either shape of `selected_combination`."""
        return bool(self.variables.get("selected_combination"))


class _Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


def normalise_context(context: Mapping[str, Any], *, plan_reference: str) -> Context:
    """The context in its one form. Raises Invalid naming every field that is wrong; a value never appears."""
    shape = _shape_problem(context)
    if shape is not None:
        raise Invalid([shape])
    problems: list[FieldProblem] = []

    def read(name: str, reader: Callable[[Any], Any]) -> Any:
        try:
            value = context.get(name)
            return None if value is None else reader(value)
        except _Refused as refused:
            problems.append(FieldProblem(f"context.{name}", refused.code, refused.message))
            return None

    emails = [read(name, _text(_MAX_ADDRESS)) for name in ("client_email", "recipient_email")]
    phones = [read(name, _text(_MAX_ADDRESS)) for name in ("client_phone", "recipient_phone")]
    read("plan_id", _same_plan(plan_reference))
    normalised = Context(
        client_name=read("client_name", _text(_MAX_NAME)),
        email=emails[0] or emails[1],
        phone=phones[0] or phones[1],
        event_type=read("event_type", _text(_MAX_NAME)),
        event_date=read("event_date", _event_date),
        guest_count=read("guest_count", _guest_count),
        budget=read("budget", _budget),
        location=read("location", _text(_MAX_PLACE)),
        variables={name: value for name, value in context.items() if name not in BASE_FIELDS},
    )
    if problems:
        raise Invalid(problems, detail="Some values of the context are not valid.")
    return normalised


def _shape_problem(context: Mapping[str, Any]) -> FieldProblem | None:
    """Limits of the whole: depth, number of values, names that are texts."""
    leaves = 0
    waiting: list[tuple[Any, int]] = [(context, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            return FieldProblem("context", "too_deep", f"Nest values at most {MAX_DEPTH} levels deep.")
        if isinstance(value, Mapping):
            if not all(isinstance(name, str) for name in value):
                return FieldProblem("context", "invalid_name", "Every name in the context must be a text.")
            leaves += len(value)
            waiting.extend((item, depth + 1) for item in value.values())
        elif isinstance(value, list | tuple):
            leaves += len(value)
            waiting.extend((item, depth + 1) for item in value)
        if leaves > MAX_LEAVES:
            return FieldProblem("context", "too_many_values", f"Give at most {MAX_LEAVES} values in all.")
    return None


# Letters and symbols by their category that print as nothing at all.
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def can_be_read(text: str) -> bool:
    """Whether anybody would see something of it: a letter, a digit or a symbol."""
    return any(
        unicodedata.category(character)[0] in "LNS" and character not in _BLANK_LETTERS for character in text
    )


def _text(longest: int) -> Callable[[Any], str | None]:
    def read(value: Any) -> str | None:
        if not isinstance(value, str):
            raise _Refused("wrong_type", "Send a text (a JSON string).")
        text = unicodedata.normalize("NFC", value.strip())
        if len(text) > longest:
            raise _Refused("too_long", f"Use at most {longest} characters.")
        # A line break in a name could add a header to a mail.
        if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text):
            raise _Refused("control_character", "Leave out line breaks and control characters.")
        return text or None

    return read


def _same_plan(plan_reference: str) -> Callable[[Any], None]:
    def read(value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise _Refused("wrong_type", "Send a text (a JSON string).")
        if str(value).strip() not in {"", plan_reference}:
            raise _Refused("contradicts_plan_id", "This is another plan than the request's plan_id.")

    return read


def _event_date(value: Any) -> date | None:
    """An ISO date, or an ISO date and time of which the date as written counts."""
    if isinstance(value, str) and not value.strip():
        return None
    wrong = _Refused("invalid_date", "Write the date as YYYY-MM-DD, such as 2026-12-15.")
    if not isinstance(value, str) or not _DATE_FIRST.fullmatch(value.strip()):
        raise wrong
    try:
        found = datetime.fromisoformat(value.strip()).date()
    except ValueError:
        raise wrong from None
    if found.year not in _YEARS:
        raise _Refused("date_out_of_range", f"Give a year from {_YEARS[0]} to {_YEARS[-1]}.")
    return found


def _guest_count(value: Any) -> int:
    wrong = _Refused("invalid_number", f"Give a whole number from 0 to {_MAX_GUESTS:,}.")
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 16:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_GUESTS:
        raise wrong
    return value


def _budget(value: Any) -> Decimal:
    wrong = _Refused("invalid_amount", "Give an amount as a number, such as 250000 or 250000.50.")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise wrong
    try:
        amount = Decimal(str(value).strip())
    except (InvalidOperation, ValueError):
        raise wrong from None
    if not amount.is_finite() or not 0 <= amount < Decimal(10) ** 15:
        raise wrong
    return amount
