"""A file of addresses that are not to be written to, as CSV: read line by line, pure.

With a header: `address` or `address_hash`, and if wished `channel`, `reason`, `since`; other columns are left aside.
Without one: an address on each line. What `write_line` writes, `read_lines` reads.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final

from core.choices import Channel
from core.errors import FieldProblem
from preferences.choices import SuppressionReason

COLUMNS: Final = ("address", "address_hash", "channel", "reason", "since")
MAX_LINES: Final = 100_000

_HASH: Final = re.compile(r"[0-9a-f]{64}")
# A cell that begins so is a formula to spreadsheets.
_FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r")
_MAX_CELL: Final = 320


@dataclass(frozen=True, slots=True)
class FileLine:
    """What one line asks for. `address` as it was written, empty where it has a hash; `channel` None: every one that
    the address serves."""

    number: int
    address: str
    address_hash: str
    channel: Channel | None
    reason: SuppressionReason
    since: datetime | None


@dataclass(frozen=True, slots=True)
class ReadFile:
    lines: Sequence[FileLine]
    problems: Sequence[FieldProblem]


class _Wrong(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.problem = (code, message)


def read_lines(content: bytes, *, now: datetime) -> ReadFile:
    """Every line, or what is wrong with it: problems name their line and never repeat what it holds."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _refused("not_text", "This is no text in UTF-8. Save the list as CSV in UTF-8.")
    if "\0" in text:
        return _refused(
            "not_text", "This is no text: it holds NUL characters. Save the list as CSV in UTF-8."
        )
    lines: list[FileLine] = []
    problems: list[FieldProblem] = []
    try:
        for number, row in _rows(text):
            if number > MAX_LINES + 1:
                return _refused("too_long", f"The list has more than {MAX_LINES:,} lines. Cut it in parts.")
            try:
                lines.append(_line(number, row, now))
            except _Wrong as wrong:
                problems.append(FieldProblem(f"line {number}", *wrong.problem))
    except csv.Error:
        return _refused("not_csv", "The list cannot be read as CSV: a quotation mark may be missing.")
    if not lines and not problems:
        return _refused("empty", "The list holds no address.")
    return ReadFile(lines, problems)


def write_line(values: Sequence[str]) -> str:
    """One line of the file, so that no spreadsheet takes a cell for a formula."""
    out = io.StringIO()
    csv.writer(out).writerow([f"'{value}" if value.startswith(_FORMULA_SIGNS) else value for value in values])
    return out.getvalue()


def _refused(code: str, message: str) -> ReadFile:
    return ReadFile((), [FieldProblem("file", code, message)])


def _rows(text: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    names: Sequence[str] | None = None
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if names is None:
            named = [cell.strip().casefold() for cell in cells]
            if {"address", "address_hash"} & set(named):
                names = named
                continue
            names = ("address",)
        yield reader.line_num, dict(zip(names, _clean(cells), strict=False))


def _clean(cells: Iterable[str]) -> list[str]:
    return [cell.strip().removeprefix("'") for cell in cells]


def _line(number: int, row: Mapping[str, str], now: datetime) -> FileLine:
    address, address_hash = row.get("address", ""), row.get("address_hash", "").lower()
    if max(map(len, row.values()), default=0) > _MAX_CELL:
        raise _Wrong("too_long", "A cell of this line is too long.")
    channel = _channel(row.get("channel", ""))
    if not address:
        _check_hash(address_hash, channel)
    return FileLine(
        number=number,
        address=address,
        address_hash="" if address else address_hash,
        channel=channel,
        reason=_reason(row.get("reason", "")),
        since=_since(row.get("since", ""), now),
    )


def _check_hash(address_hash: str, channel: Channel | None) -> None:
    if not address_hash:
        raise _Wrong("required", "This line has no address.")
    if not _HASH.fullmatch(address_hash):
        raise _Wrong(
            "invalid_hash", "An address_hash has 64 of the characters 0–9 a–f, as the export writes it."
        )
    if channel is None:
        raise _Wrong("channel_required", "Beside an address_hash the channel must stand.")


def _channel(text: str) -> Channel | None:
    try:
        return Channel(text.casefold()) if text else None
    except ValueError:
        raise _Wrong("invalid_channel", "The channel must be email, sms or whatsapp.") from None


def _reason(text: str) -> SuppressionReason:
    try:
        return SuppressionReason(text.casefold()) if text else SuppressionReason.DO_NOT_CONTACT
    except ValueError:
        known = ", ".join(reason.value for reason in SuppressionReason)
        raise _Wrong("invalid_reason", f"The reason must be one of {known}.") from None


def _since(text: str, now: datetime) -> datetime | None:
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        try:
            instant = datetime.combine(date.fromisoformat(text), time())
        except ValueError:
            raise _Wrong("invalid_since", "Write since as 2026-03-31 or 2026-03-31T09:00:00Z.") from None
    instant = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
    if not datetime(2000, 1, 1, tzinfo=UTC) <= instant <= now:
        raise _Wrong("out_of_range", "Since must lie between the year 2000 and now.")
    return instant
