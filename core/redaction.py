"""What may stand in a log line: references, numbers, codes. Everything else is left out, by construction.

Our own events keep allow-listed keys only. Records of other libraries are rendered from their format string
without its text arguments. Exceptions are a type and places, never a message. Scrubbing comes last.
"""

import re
import sys
import traceback
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from enum import Enum
from logging import LogRecord
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured

from core.log_keys import NUMBER_KEYS, NUMBER_SUFFIXES, WORD_KEYS

WITHHELD = "[withheld]"
# Errors whose messages name code or settings, never what a client or caller gave us.
_ABOUT_CODE: tuple[type[BaseException], ...] = (ImportError, NameError, ImproperlyConfigured)
_MAX_ITEMS = 20
_MAX_FRAMES = 30
_MAX_CHAIN = 8

# A mail server's code beside its enhanced one (RFC 3463): 550 5.1.1
_SMTP_CODE = re.compile(r"[2-5]\d\d [245]\.\d{1,3}\.\d{1,3}")
_SAFE_WORD = re.compile(r"[A-Za-z0-9_.:/<>{}+-]{1,120}")
_UUID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}(?![0-9a-f])")
_TASK_NAME = re.compile(
    r"(?:core|clients|preferences|communications|planning|analytics|backoffice|celery)(?:\.[a-z_]+)+"
)
_CONVERSION = re.compile(
    r"%(?:\((?P<key>[^)]*)\))?[#0\- +]*(?:\*|\d+)?(?:\.(?:\*|\d+))?[hlL]?(?P<type>[a-zA-Z%])"
)
_WARNING = re.compile(r"(?P<path>[^\n]+?):(?P<line>\d+): (?P<category>\w+): ")
_SCRUBBERS = (
    (re.compile(r"\beyJ[\w-]+\.[\w-]*(?:\.[\w-]*)?"), "[token]"),
    (re.compile(r"(?i)\b(?:bearer|basic|token)\s+[\w.~+/=-]{8,}"), "[token]"),
    (re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+"), "[url]"),
    (re.compile(r"/[^\s\"'<>?]*\?[^\s\"'<>]+"), "[url]"),
    (re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;]+"), "[email]"),
    (re.compile(r"(?<![\w-])[A-Za-z0-9_-]{40,}(?![\w-])"), "[token]"),
    # Numbers of seven digits and more, but for ISO dates.
    (
        re.compile(r"(?<![\w.-])(?!\d{4}-\d\d-\d\d(?!\d))\+?\(?\d(?:[\s().\-/]{0,2}\d){6,}(?![\w-])"),
        "[number]",
    ),
)
# One look decides for nearly every text that there is nothing to scrub.
_SUSPICIOUS = re.compile(
    r"[@?]|://|eyJ|\d[\s().\-/]{0,2}\d[\s().\-/]{0,2}\d[\s().\-/]{0,2}\d|[\w-]{40}|(?i:bearer|basic|token)"
)


def scrub(text: str) -> str:
    """`text` without e-mail addresses, phone-like numbers, URLs, tokens. A last line, not a licence."""
    if not _SUSPICIOUS.search(text):
        return text
    for pattern, replacement in _SCRUBBERS:
        text = pattern.sub(replacement, text)
    return text


def allowed_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a log event's fields that may be written; `dropped` counts the keys left out."""
    kept: dict[str, Any] = {}
    dropped = 0
    for key, value in fields.items():
        if key in WORD_KEYS:
            kept[key] = _word(value)
        elif key in NUMBER_KEYS or key.endswith(NUMBER_SUFFIXES):
            kept[key] = _number(value)
        else:
            dropped += 1
    if dropped:
        kept["dropped"] = dropped
    return kept


def _number(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    return WITHHELD


def _word(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_word(item) for item in list(value)[:_MAX_ITEMS]]
    text = _as_text(value)
    return text if text is not None and is_reference(text) else WITHHELD


def _as_text(value: object) -> str | None:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, type):
        return value.__name__
    return str(value) if isinstance(value, str | UUID) else None


def is_reference(text: str) -> bool:
    """Whether `text` can only be an identifier or a code: no spaces, no address, no phone-like number."""
    if _SMTP_CODE.fullmatch(text):
        return True
    without_uuids = _UUID.sub("u", text)
    return bool(_SAFE_WORD.fullmatch(text)) and scrub(without_uuids) == without_uuids


def foreign_event(record: LogRecord) -> dict[str, Any]:
    """A record of another library: its format string, its numbers and references, none of its texts."""
    if record.name == "py.warnings":
        return _warning_event(record)
    template = record.msg if isinstance(record.msg, str) else ""
    if record.args:
        return {"event": scrub(_fill(template, record.args))}
    if template and _is_constant(template, record):
        return {"event": scrub(template)}
    return {"event": "message withheld", "at": f"{_short_path(record.pathname)}:{record.lineno}"}


def _warning_event(record: LogRecord) -> dict[str, Any]:
    match = _WARNING.match(record.getMessage())
    if match is None:
        return {"event": "warning"}
    at = f"{_short_path(match['path'])}:{match['line']}"
    return {"event": "warning", "category": match["category"], "at": at}


def _fill(template: str, args: tuple[object, ...] | Mapping[str, object]) -> str:
    positions = iter(args) if isinstance(args, tuple) else iter(())

    def replace(match: re.Match[str]) -> str:
        if match["type"] == "%":
            return "%"
        if match["key"] is not None:
            value = args.get(match["key"]) if isinstance(args, Mapping) else None
        else:
            value = next(positions, None)
        return _argument(value)

    return _CONVERSION.sub(replace, template)


def _argument(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    if value is None or isinstance(value, bool | int):
        return str(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str) and (_TASK_NAME.fullmatch(value) or _UUID.fullmatch(value)):
        return value
    return f"<{type(value).__name__}>"


def _is_constant(template: str, record: LogRecord) -> bool:
    """Whether the text stands in the source of the logging call, so that it holds no value of run time.

    Formatting happens inside that call, so its frame is still on the stack.
    """
    frame: FrameType | None = sys._getframe(1)
    for _ in range(60):
        if frame is None:
            return False
        code = frame.f_code
        if code.co_name == record.funcName and code.co_filename == record.pathname:
            return template in code.co_consts
        frame = frame.f_back
    return False


def describe_exception(error: BaseException) -> list[dict[str, Any]]:
    """The error and what caused it, newest first: type, codes and places. No message, no values."""
    described: list[dict[str, Any]] = []
    seen: set[int] = set()
    queue = [error]
    while queue and len(described) < _MAX_CHAIN:
        current = queue.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        described.append(_describe_one(current))
        queue.extend(_causes(current))
    return described


def _causes(error: BaseException) -> Iterable[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        yield from error.exceptions
    if error.__cause__ is not None:
        yield error.__cause__
    elif error.__context__ is not None and not error.__suppress_context__:
        yield error.__context__


def _describe_one(error: BaseException) -> dict[str, Any]:
    kind = type(error)
    described: dict[str, Any] = {"type": f"{kind.__module__}.{kind.__qualname__}"}
    for name in ("errno", "smtp_code", "sqlstate", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int) or (isinstance(value, str) and re.fullmatch(r"[\w.]{1,40}", value)):
            described[name] = value
    if isinstance(error, _ABOUT_CODE):
        described["message"] = scrub(str(error))
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "<frozen " not in frame.filename
    ]
    described["frames"] = [
        f"{_short_path(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames[-_MAX_FRAMES:]
    ]
    return described


def _short_path(path: str) -> str:
    """The last three parts: enough to find the file, nothing about the machine."""
    return "/".join(Path(path).parts[-3:]).lstrip("/")
