"""The caller's own references of clients and plans: what they may look like and whom they may not mean."""

import re
from typing import Final

from core.errors import FieldProblem

_REFERENCE: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
# What programs write when they know nobody. The planning agent sends "unknown".
_NOBODY: Final = frozenset(
    {
        "",
        "-",
        "--",
        "anonymous",
        "false",
        "n/a",
        "n.a.",
        "na",
        "nan",
        "nil",
        "nobody",
        "none",
        "null",
        "undefined",
        "unknown",
        "00000000-0000-0000-0000-000000000000",
    }
)
# E.164 numbers have up to 15 digits; below 10 it is more likely a running number.
_PHONE_DIGITS: Final = range(10, 16)
_PHONE: Final = re.compile(r"[+0-9()\s./:-]+")


def valid_reference(reference: str) -> bool:
    """1 to 64 of A–Z a–z 0–9 . _ : -"""
    return _REFERENCE.fullmatch(reference) is not None


def is_nobody(reference: str) -> bool:
    """Whether it stands for no client in particular: `unknown`, `null`, empty and the like, in any case."""
    return reference.strip().casefold() in _NOBODY


def is_address(reference: str) -> bool:
    """Whether it is itself an e-mail address or a phone number: those belong in the contact data, where they
    are encrypted. Digits alone count as a phone number from 10 to 15 of them."""
    if "@" in reference:
        return True
    digits = sum(character.isdigit() for character in reference)
    return _PHONE.fullmatch(reference) is not None and digits in _PHONE_DIGITS


def client_reference_problem(reference: str, *, field: str = "client_id") -> FieldProblem | None:
    """What is wrong with a client reference, or None."""
    if is_nobody(reference):
        return FieldProblem(
            field, "stands_for_nobody", "This stands for no client. Give your own reference of the client."
        )
    if is_address(reference):
        return FieldProblem(
            field,
            "is_an_address",
            "This looks like an e-mail address or phone number. Give your own reference of the client, and "
            "the address in `client`.",
        )
    return _form_problem(reference, field)


def plan_reference_problem(reference: str, *, field: str = "plan_id") -> FieldProblem | None:
    """What is wrong with a plan reference, or None."""
    if is_nobody(reference):
        return FieldProblem(
            field, "stands_for_nothing", "This stands for no plan. Give your reference of the plan."
        )
    return _form_problem(reference, field)


def _form_problem(reference: str, field: str) -> FieldProblem | None:
    if valid_reference(reference):
        return None
    return FieldProblem(field, "invalid_reference", "Use 1 to 64 of the characters A–Z a–z 0–9 . _ : -")
