"""Providers' codes as people say them: SMTP replies (RFC 5321), enhanced codes (RFC 3463), failed connections."""

import re
from types import MappingProxyType
from typing import Final

_ENHANCED: Final = re.compile(r"\b[245]\.(\d{1,3})\.(\d{1,3})\b")
_BASIC: Final = re.compile(r"^[2-5]\d\d\b")

# RFC 3463 by subject and detail, then by subject alone.
_DETAILS: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        "1.1": "there is no such mailbox",
        "1.2": "the domain of the address does not exist",
        "1.3": "the address is not written correctly",
        "1.6": "the mailbox has moved",
        "1.10": "the domain takes no mail",
        "2.1": "the mailbox is switched off",
        "2.2": "the mailbox is full",
        "2.3": "the message is too large for the mailbox",
        "3.4": "the message is too large for the server",
        "4.1": "the recipient’s server does not answer",
        "4.2": "the connection broke off",
        "4.7": "the message was on its way for too long",
        "7.8": "name or password were refused",
    }
)
SUBJECTS: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        "0": "no details were given",
        "1": "the trouble is the address",
        "2": "the trouble is the mailbox",
        "3": "the trouble is the mail system",
        "4": "the trouble is the way to the recipient’s server",
        "5": "the two servers did not understand each other",
        "6": "the trouble is the content",
        "7": "a security rule or policy stands against it",
    }
)
_REPLIES: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        "421": "the server is closing",
        "450": "the mailbox is busy",
        "451": "the server has a passing problem",
        "452": "the server is short of space",
        "530": "the server wants us to sign in",
        "535": "name or password were refused",
        "550": "the mailbox is not available",
        "552": "the mailbox or the server has no room for it",
        "553": "the address is not allowed",
        "554": "the server refused it",
    }
)
FAMILIES: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        "2": "the server took it",
        "3": "the server waited for more",
        "4": "a passing trouble",
        "5": "refused for good",
    }
)
_TROUBLES: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        "ConnectionRefusedError": "nothing answered at its address",
        "ConnectionResetError": "the connection broke off",
        "BrokenPipeError": "the connection broke off",
        "SMTPServerDisconnected": "the connection broke off",
        "SMTPNotSupportedError": "it does not offer what we need",
        "SSLCertVerificationError": "its certificate is not valid",
        "TimeoutError": "no answer came in time",
        "TlsNotOfferedError": "it does not offer encryption",
        "gaierror": "its name was not found",
        "time_limit": "it took too long",
    }
)


def is_reply(code: str) -> bool:
    """Whether the provider itself answered, as against a connection that failed."""
    return _BASIC.match(code) is not None


def code_words(code: str) -> str:
    """A provider's code in words; an unknown one goes by its family, and what is no code at all says nothing."""
    enhanced = _ENHANCED.search(code)
    if enhanced:
        subject, detail = enhanced.groups()
        # X.0.0 tells nothing that the basic code does not.
        known = _DETAILS.get(f"{subject}.{detail}") or (SUBJECTS.get(subject) if subject != "0" else None)
        if known:
            return known
    if is_reply(code):
        return _REPLIES.get(code[:3]) or FAMILIES[code[0]]
    return _TROUBLES.get(code, "the connection failed" if code else "")
