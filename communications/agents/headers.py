"""Values that may stand in a mail's headers: RFC 5322, RFC 2047 and RFC 2231, seven bits, no line over 78 characters.

Everything that reaches a header goes through one of these, so that no value can end a line or begin a header.
"""

import re
from base64 import b64encode
from functools import lru_cache
from urllib.parse import quote
from uuid import UUID

from email_validator import EmailNotValidError, validate_email

from communications.rules.text import one_line

_PLAIN_HEADER = re.compile(r"[ -~]{0,66}")
_DISPLAY_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]{1,66}")
_ADDRESS = re.compile(r"[^\s<>()\[\]\\,;:\"@\x00-\x1f\x7f]{1,64}@[A-Za-z0-9.-]{1,255}")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,255}>")
_LIST_ID = re.compile(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")
_URL = re.compile(r"https?://[!#-;=?-\[\]_a-z~]{1,900}")
_PLAIN_FILENAME = re.compile(r"[A-Za-z0-9!#$&+._ -]{1,60}")
# "Subject: =?utf-8?b?" + 52 characters of base64 + "?=" stays under the 76 a line of RFC 2047.
_ENCODED_WORD_BYTES = 39
_PARAMETER_CHARACTERS = 54
_MAX_SUBJECT = 200
_MAX_NAME = 120
_MAX_FILENAME = 120
_MAX_ENDING = 10


class UnusableHeaderError(ValueError):
    """An address, Message-ID or URL that cannot stand in a header. Never repeats the value."""


def new_message_id(attempt_id: UUID, domain: str) -> str:
    """One per attempt, so that bounces and look-ups lead back to it."""
    return f"<{attempt_id.hex}@{domain}>"


def thread_id(plan_id: UUID, domain: str) -> str:
    """What all mails about a plan refer to, so that mail programs show them as one conversation. No mail has this id
    itself: whichever of them a client deletes, the rest stays together."""
    return f"<plan.{plan_id.hex}@{domain}>"


def clean_subject(text: str) -> str:
    """One line without control characters, at most 200 characters."""
    return shortened(one_line(text), _MAX_SUBJECT)


def shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def message_id(value: str) -> str:
    if not _MESSAGE_ID.fullmatch(value):
        raise UnusableHeaderError("A Message-ID must look like <name@domain>.")
    return value


def unstructured(text: str) -> str:
    """A header's value: as it is when short and plain, else RFC 2047 encoded words, one per folded line."""
    if _PLAIN_HEADER.fullmatch(text) and "=?" not in text:
        return text
    return "\r\n ".join(_encoded_words(text))


def mailbox(name: str, address: str) -> str:
    address = mail_address(address)
    phrase = _phrase(name)
    if not phrase:
        return address
    space = " " if "\r\n" not in phrase and len(phrase) + len(address) < 68 else "\r\n "
    return f"{phrase}{space}<{address}>"


# The sender and the list are the same in every mail.
@lru_cache(maxsize=32)
def sender_mailbox(name: str, address: str) -> str:
    return mailbox(name, address)


@lru_cache(maxsize=32)
def list_id(name: str, identifier: str) -> str:
    """RFC 2919. `identifier` has at least two labels, such as clients.planiva.example."""
    if not _LIST_ID.fullmatch(identifier):
        raise UnusableHeaderError("A List-Id must look like name.domain.")
    phrase = _phrase(name)
    return f"{phrase}\r\n <{identifier}>" if phrase else f"<{identifier}>"


def link(url: str) -> str:
    """A URL as RFC 2369 writes it. Never folded: many programs read it wrongly then."""
    if not _URL.fullmatch(url):
        raise UnusableHeaderError("A link in a header must be an absolute http(s) URL in plain characters.")
    return f"<{url}>"


def mail_address(address: str) -> str:
    """Domains of other scripts become IDNA. Local parts of other scripts need SMTPUTF8 and are refused."""
    if not address.isascii():
        try:
            checked = validate_email(
                address, allow_smtputf8=False, check_deliverability=False, test_environment=True
            )
        except EmailNotValidError as error:
            raise UnusableHeaderError("The address cannot be written in plain e-mail headers.") from error
        address = f"{checked.local_part}@{checked.ascii_domain}"
    if not _ADDRESS.fullmatch(address):
        raise UnusableHeaderError("The address cannot be written in plain e-mail headers.")
    return address


def filename_parameter(filename: str) -> str:
    """`; filename=…` of a Content-Disposition, folded; names that are long or not ASCII as RFC 2231 has it."""
    name = one_line(filename).replace("/", "-").replace("\\", "-") or "attachment"
    if len(name) > _MAX_FILENAME:
        # The ending says which program opens it.
        stem, dot, ending = name.rpartition(".")
        kept = dot + ending if stem and len(ending) <= _MAX_ENDING else ""
        name = shortened(name.removesuffix(kept), _MAX_FILENAME - len(kept)) + kept
    if _PLAIN_FILENAME.fullmatch(name):
        return f';\r\n filename="{name}"'
    encoded = f"utf-8''{quote(name, safe='', errors='replace')}"
    if len(encoded) <= _PARAMETER_CHARACTERS:
        return f";\r\n filename*={encoded}"
    pieces, rest = [], encoded
    while rest:
        # Never between the three characters of one encoded byte: some readers decode piece by piece.
        cut = _PARAMETER_CHARACTERS - next(
            (
                back
                for back in (1, 2)
                if rest[_PARAMETER_CHARACTERS - back : _PARAMETER_CHARACTERS][:1] == "%"
            ),
            0,
        )
        pieces.append(rest[:cut])
        rest = rest[cut:]
    return "".join(f";\r\n filename*{number}*={piece}" for number, piece in enumerate(pieces))


def _phrase(name: str) -> str:
    """A display name, quoted or in encoded words; empty for none."""
    name = shortened(one_line(name), _MAX_NAME)
    if not name:
        return ""
    if _DISPLAY_NAME.fullmatch(name) and "=?" not in name:
        return f'"{name}"'
    return "\r\n ".join(_encoded_words(name))


def _encoded_words(text: str) -> list[str]:
    """Cut between characters, never inside one."""
    words, chunk = [], b""
    for character in text:
        encoded = character.encode("utf-8", "replace")
        if len(chunk) + len(encoded) > _ENCODED_WORD_BYTES:
            words.append(chunk)
            chunk = b""
        chunk += encoded
    words.append(chunk)
    return [f"=?utf-8?b?{b64encode(word).decode('ascii')}?=" for word in words]
