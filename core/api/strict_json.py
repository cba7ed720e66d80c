"""JSON from strangers: what a body may be before anything looks at its meaning (RFC 8259, made narrower)."""

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from core.errors import Malformed

MAX_DEPTH = 64
# Each value costs a hundred bytes of memory or more; 28 MB of "[],[],…" must not cost a gigabyte.
MAX_VALUES = 250_000
MAX_NUMBER_LENGTH = 40


def parse_json(raw: bytes) -> Any:
    """The value in `raw`. Raises Malformed with a code and a sentence of its own for each kind of fault.

    Nothing that it returns holds a NUL character, half a surrogate pair, NaN or an infinity; no number is
    longer than MAX_NUMBER_LENGTH digits, nothing is nested deeper than MAX_DEPTH.
    """
    text = _decoded(raw)
    if text.count(",") + text.count("[") + text.count("{") > MAX_VALUES:
        raise _malformed("too_many_values", f"The JSON holds more than {MAX_VALUES:,} values.")
    try:
        value = json.loads(text, parse_int=_integer, parse_float=_float, parse_constant=_constant)
    except RecursionError as error:
        raise _too_deep() from error
    except json.JSONDecodeError as error:
        raise _malformed(
            "invalid_json", f"This is not JSON: see line {error.lineno}, column {error.colno}."
        ) from error
    if "\\u" in text or text.count("[") + text.count("{") > MAX_DEPTH:
        # Else nothing in it can be forbidden: what is decoded holds neither NUL nor halves of pairs.
        _check_values(value)
    return value


def parse_json_lines(raw: bytes) -> Iterator[Any | Malformed]:
    """The value of each line that is not empty, or why it cannot be read. Each line may be what a body may be."""
    for number, line in enumerate(raw.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            yield parse_json(line)
        except Malformed as fault:
            yield Malformed(f"Line {number} cannot be read. {fault.detail}", code=fault.code)


def _decoded(raw: bytes) -> str:
    if b"\x00" in raw:
        raise _nul()
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(
            "invalid_utf8", f"This is not UTF-8: byte {error.start} begins no character."
        ) from error


def _check_values(root: Any) -> None:
    # A stack of our own: the depth of what came in must not become the depth of our calls.
    stack: list[tuple[Any, int]] = [(root, 1)]
    while stack:
        value, depth = stack.pop()
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, dict | list):
            if depth > MAX_DEPTH:
                raise _too_deep()
            stack.extend((inner, depth + 1) for inner in _inner(value))


def _inner(value: dict[str, Any] | list[Any]) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.keys()
        yield from value.values()
    else:
        yield from value


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise _nul()
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _malformed(
            "lone_surrogate",
            "A text holds half of a surrogate pair (\\ud800 to \\udfff).",
        ) from error


def _integer(digits: str) -> int:
    if len(digits) > MAX_NUMBER_LENGTH:
        raise _number_too_long()
    return int(digits)


def _float(digits: str) -> float:
    if len(digits) > MAX_NUMBER_LENGTH:
        raise _number_too_long()
    number = float(digits)
    if number in {float("inf"), float("-inf")}:
        raise _malformed("number_out_of_range", "A number is too large.")
    return number


def _constant(word: str) -> NoReturn:
    raise _malformed("number_out_of_range", f"{word} is not a number in JSON.")


def _number_too_long() -> Malformed:
    return _malformed("number_too_long", f"A number has more than {MAX_NUMBER_LENGTH} digits.")


def _too_deep() -> Malformed:
    return _malformed("too_deep", f"The JSON is nested deeper than {MAX_DEPTH} levels.")


def _nul() -> Malformed:
    return _malformed("nul_character", "The body holds a NUL character (\\u0000), which no text here may.")


def _malformed(code: str, detail: str) -> Malformed:
    return Malformed(code=code, detail=detail)
