"""SMTP replies in our outcome classes: the enhanced code (RFC 3463) first, then the basic one (RFC 5321)."""

import re
from enum import StrEnum

from communications.choices import OutcomeClass

_ENHANCED = re.compile(r"^\s*([245])\.(\d{1,3})\.(\d{1,3})\b")

# The address does not exist, or can never take mail (5.1.10: null MX, RFC 7505).
_DEAD_ADDRESS = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
_MAILBOX_FULL = "5.2.2"
_TOO_LARGE = frozenset({"5.2.3", "5.3.4"})


class Stage(StrEnum):
    """Which command the reply answers."""

    CONNECT = "connect"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    END_OF_DATA = "end_of_data"


# A permanent refusal before a recipient was named is about us: our settings, our sender.
_ABOUT_US = frozenset({Stage.CONNECT, Stage.AUTH, Stage.MAIL})


def enhanced_code(text: str) -> str:
    """`5.1.1` of `5.1.1 <x@y>: no such user`; empty when the reply has none."""
    found = _ENHANCED.match(text)
    return ".".join(found.groups()) if found else ""


def reply_code(code: int, text: str) -> str:
    """`550 5.1.1`: what may be shown and logged of a reply."""
    return f"{code} {enhanced_code(text)}".strip()


def classify(code: int, text: str, stage: Stage) -> OutcomeClass:
    """The class of one reply. Unknown codes go by their first digit; nothing crashes on nonsense.

    5.7.x is about the sender or the text, so it never marks the address (providers.md §Email).
    """
    enhanced = enhanced_code(text)
    permanent = enhanced.startswith("5") if enhanced else 500 <= code <= 599
    if not permanent:
        return OutcomeClass.TRANSIENT
    if stage in _ABOUT_US:
        return OutcomeClass.CONFIG
    if enhanced in _DEAD_ADDRESS:
        return OutcomeClass.RECIPIENT
    if enhanced == _MAILBOX_FULL:
        return OutcomeClass.WEAK_RECIPIENT
    if enhanced in _TOO_LARGE:
        return OutcomeClass.CONTENT
    if enhanced.startswith("5.7."):
        return OutcomeClass.CONTENT
    # A bare 550 at RCPT is no proof that the address is dead: some servers answer so to policy.
    return OutcomeClass.WEAK_RECIPIENT if stage is Stage.RCPT else OutcomeClass.CONTENT
