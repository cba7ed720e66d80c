"""Anticipated failures. They carry a stable code and one plain sentence; HTTP is the API's affair."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing wrong with one field. `field` is a dotted path, `message` never repeats the value."""

    field: str
    code: str
    message: str


class CrmError(Exception):
    """Base of every failure that a caller can be told about."""

    code = "error"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class Malformed(CrmError):
    """The input cannot be read at all."""

    code = "malformed"


class Invalid(CrmError):
    """The input can be read, and some fields are wrong."""

    code = "invalid"

    def __init__(
        self, problems: Sequence[FieldProblem], *, detail: str = "Some fields are not valid."
    ) -> None:
        super().__init__(detail)
        self.problems = list(problems)


class NotFound(CrmError):
    code = "not_found"


class Conflict(CrmError):
    """What is asked contradicts what is stored."""

    code = "conflict"


class TooLarge(CrmError):
    code = "too_large"


class Unavailable(CrmError):
    """A part that is needed is down; the same call may work later."""

    code = "unavailable"


class Unreadable(CrmError):
    """A sealed or encrypted value does not open: tampered with, wrong key, wrong column, or key destroyed."""

    code = "unreadable"
