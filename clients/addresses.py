"""Addresses in their one normal form, so that the blind index of equal addresses is equal.

E-mail: RFC 5321 syntax, domain by IDNA, all in lower case (local parts that differ by case alone do not exist in
practice, and treating them as two people would split a client's consent). Phone: E.164.
"""

import re
from functools import lru_cache

import phonenumbers
from email_validator import EmailNotValidError, ValidatedEmail, validate_email

from clients.choices import ContactKind
from core.crypto import blind_index
from core.errors import FieldProblem, Invalid

# What needs no closer look; everything else does.
_PLAIN_LOCAL_PART = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*")
_LONGEST_PLAIN = 64
# Digits as people group them; a date or a word with digits in it is none.
_WRITTEN_NUMBER = re.compile(r"(?!\s*\d{4}-\d\d-\d\d\s*$)[+0-9()\s./\-\u00a0]+")


def normalise_email(value: str, *, field: str) -> str:
    """Raises Invalid with a sentence for people when `value` is no address that every mail server takes: a local
    part outside ASCII (RFC 6531) is refused."""
    local, _, domain = value.strip().rpartition("@")
    try:
        if _PLAIN_LOCAL_PART.fullmatch(local) and len(local) + len(domain) < _LONGEST_PLAIN:
            return f"{local}@{_ascii_domain(domain)}".lower()
        parsed = _parse_email(value.strip())
    except EmailNotValidError as error:
        raise _invalid(
            field, "invalid_email", "This is not an e-mail address. Write it as name@example.com."
        ) from error
    return f"{parsed.local_part}@{parsed.ascii_domain}".lower()


@lru_cache(maxsize=4096)
def _ascii_domain(domain: str) -> str:
    """Most addresses share a few domains, and a domain is what takes long to check."""
    return str(_parse_email(f"a@{domain}").ascii_domain)


def _parse_email(value: str) -> ValidatedEmail:
    return validate_email(value, check_deliverability=False, allow_smtputf8=False, test_environment=True)


def normalise_phone(value: str, *, region: str, field: str) -> str:
    """`region` (ISO 3166-1 alpha-2) reads numbers without a country code. Raises Invalid."""
    try:
        parsed = phonenumbers.parse(value, region) if _WRITTEN_NUMBER.fullmatch(value) else None
    except phonenumbers.NumberParseException:
        parsed = None
    if parsed is None or not phonenumbers.is_possible_number(parsed):
        raise _invalid(
            field,
            "invalid_phone",
            "This is not a phone number. Write it with its country code, as +911234567890.",
        )
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def address_index(address: str, *, kind: ContactKind) -> str:
    """The keyed hash by which a normalised address is found and compared."""
    return blind_index(address, kind=kind.value)


def mask(address: str, *, kind: ContactKind) -> str:
    """p•••@example.com, +91••••••3210: enough to recognise, too little to use."""
    if kind is ContactKind.EMAIL:
        local, _, domain = address.rpartition("@")
        return f"{local[:1]}•••@{domain}"
    return f"{address[:3]}••••••{address[-4:]}"


def _invalid(field: str, code: str, message: str) -> Invalid:
    return Invalid(problems=[FieldProblem(field=field, code=code, message=message)])
