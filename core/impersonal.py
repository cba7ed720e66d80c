"""Checks for rows that must hold references only: audit entries, attention items, outbox events."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from core.redaction import WITHHELD, is_reference, scrub

_MAX_TEXT = 200
_MAX_DEPTH = 3
# More digits than any count has, and as many as a phone number.
_PHONE_LIKE_NUMBER = 10**9
_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")


def looks_personal(value: str | int | float) -> bool:
    """Whether the value could be an e-mail address, a phone number, a link or a token."""
    if isinstance(value, str):
        return not is_reference(value) and scrub(value) != value
    return abs(value) >= _PHONE_LIKE_NUMBER


def require_impersonal_details(
    details: Mapping[str, Any] | None, *, allowed_keys: Collection[str] | None = None, lists: bool = False
) -> dict[str, Any]:
    """The details as a dict. Raises ValueError (a mistake in our code) for an undeclared key, a value that is
    no short JSON scalar (or, with `lists`, a list of such), or one that looks personal."""
    checked = dict(details or {})
    for key, value in checked.items():
        if not _KEY.fullmatch(key) or (allowed_keys is not None and key not in allowed_keys):
            raise ValueError(f"The key {key!r} is not declared for these details.")
        _require_impersonal(key, value, lists=lists)
    return checked


def require_impersonal_text(name: str, text: str) -> str:
    """`text`, for columns like actor and target. Raises ValueError when empty, too long or personal."""
    if not text or len(text) > _MAX_TEXT:
        raise ValueError(f"{name} must have 1 to {_MAX_TEXT} characters.")
    if looks_personal(text):
        raise ValueError(f"{name} looks like an address or a token; give a reference of ours.")
    return text


def _require_impersonal(key: str, value: object, *, lists: bool) -> None:
    if lists and isinstance(value, list | tuple):
        for item in value:
            _require_impersonal(key, item, lists=False)
        return
    if value is None or isinstance(value, bool):
        return
    if not isinstance(value, str | int | float):
        raise ValueError(f"The value of {key!r} is a {type(value).__name__}; only JSON scalars may be kept.")
    if isinstance(value, str) and len(value) > _MAX_TEXT:
        raise ValueError(f"The value of {key!r} is longer than {_MAX_TEXT} characters.")
    if looks_personal(value):
        raise ValueError(f"The value of {key!r} looks like an address, a number of a person or a token.")


def withhold_personal(value: Any) -> Any:
    """The same JSON value with what looks personal replaced; for values that a caller chose."""
    return _withhold(value, depth=0)


def _withhold(value: Any, *, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str | int | float):
        too_long = isinstance(value, str) and len(value) > _MAX_TEXT
        return WITHHELD if too_long or looks_personal(value) else value
    if isinstance(value, Mapping) and depth < _MAX_DEPTH:
        return {
            str(key): _withhold(item, depth=depth + 1)
            for key, item in value.items()
            if _KEY.fullmatch(str(key))
        }
    if isinstance(value, list | tuple) and depth < _MAX_DEPTH:
        return [_withhold(item, depth=depth + 1) for item in value]
    return WITHHELD
