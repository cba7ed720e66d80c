"""Reading the fields of a control request: each refusal is a sentence that says what is allowed."""

from collections.abc import Mapping
from enum import StrEnum

MAX_SECONDS = 3600
MAX_COUNT = 1_000_000_000


class BehaviourError(ValueError):
    """Says in a sentence what is allowed."""


def given_fields(body: object, allowed: tuple[str, ...], *, example: str) -> dict[str, object]:
    """The fields that are set; null means the default."""
    if not isinstance(body, dict):
        raise BehaviourError(f"Send one JSON object, for example {example}.")
    given = {name: value for name, value in body.items() if value is not None}
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        raise BehaviourError(f"{unknown[0]} is not a field. Allowed: {', '.join(allowed)}.")
    return given


def word(given: Mapping[str, object], name: str, allowed: type[StrEnum]) -> str:
    value = given[name]
    if not isinstance(value, str) or value not in list(allowed):
        raise BehaviourError(f"{name} must be one of: {', '.join(allowed)}.")
    return value


def number(given: Mapping[str, object], name: str, low: int, high: int, *, whole: bool = False) -> float:
    value = given[name]
    kinds = int if whole else (int, float)
    # JSON's NaN compares false with everything and is refused here too; True is an int to Python.
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        raise BehaviourError(f"{name} must be a {'whole ' if whole else ''}number from {low} to {high}.")
    return value


class Share:
    """Spreads a ratio evenly (error diffusion), so the same run treats the same messages every time."""

    def __init__(self) -> None:
        self._carried = 0.0

    def is_next(self, ratio: float) -> bool:
        self._carried += ratio
        if self._carried < 1 - 1e-9:
            return False
        self._carried -= 1
        return True
