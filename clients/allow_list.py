"""The recipients that an installation may write to: a staging one must not reach real clients by accident."""

from dataclasses import dataclass
from functools import cache

from clients.addresses import normalise_email, normalise_phone
from clients.choices import ContactKind
from core.errors import Invalid


@dataclass(frozen=True)
class AllowList:
    """Addresses and numbers in their normal form; domains without the @ sign, each for itself, not those below it."""

    emails: frozenset[str]
    domains: frozenset[str]
    phones: frozenset[str]

    def holds(self, address: str, kind: ContactKind) -> bool:
        """`address` in its normal form, as contact points hold it."""
        if kind is ContactKind.EMAIL:
            return address in self.emails or address.rpartition("@")[2] in self.domains
        return address in self.phones


@cache
def allow_list(text: str, region: str) -> AllowList | None:
    """The list written as `CRM_RECIPIENT_ALLOW_LIST`: addresses, @domains and numbers between commas. None for an empty
    text: everybody may be written to. Raises ValueError with a sentence for what is none of these; `region` reads
    numbers without a country code.
    """
    if not text.strip():
        return None
    emails, domains, phones = set(), set(), set()
    for entry in (part.strip() for part in text.split(",")):
        if entry.startswith("@"):
            domains.add(_email(f"somebody{entry}", entry).rpartition("@")[2])
        elif "@" in entry:
            emails.add(_email(entry, entry))
        else:
            phones.add(_phone(entry, region))
    return AllowList(frozenset(emails), frozenset(domains), frozenset(phones))


def _email(address: str, entry: str) -> str:
    try:
        return normalise_email(address, field="entry")
    except Invalid:
        raise _refused(entry) from None


def _phone(entry: str, region: str) -> str:
    try:
        return normalise_phone(entry, region=region, field="entry")
    except Invalid:
        raise _refused(entry) from None


def _refused(entry: str) -> ValueError:
    return ValueError(
        f"{entry!r} is no e-mail address, @domain or phone number. Write them with a comma between, "
        "as qa@example.com, @staging.example.com, +911234567890; leave it empty to write to everybody."
    )
