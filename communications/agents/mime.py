"""A finished e-mail as bytes for SMTP DATA: RFC 5322 and MIME, CRLF line ends, seven bits only.

Written out directly instead of through `email.message`: that costs more than the rest of composing, and
here no value can reach a header but through `_unstructured`, `_mailbox` or a check.
"""

import re
from base64 import b64encode
from binascii import b2a_base64, b2a_qp
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from hashlib import sha256
from uuid import UUID

from email_validator import EmailNotValidError, validate_email

from communications.agents.facts import one_line

_PLAIN_HEADER = re.compile(r"[ -~]{0,66}")
_DISPLAY_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]{1,66}")
_ADDRESS = re.compile(r"[^\s<>()\[\]\\,;:\"@\x00-\x1f\x7f]{1,64}@[A-Za-z0-9.-]{1,255}")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+>")
# "Subject: =?utf-8?b?" + 52 characters of base64 + "?=" stays under the 76 a line of RFC 2047.
_ENCODED_WORD_BYTES = 39
_MAX_SUBJECT = 200
_MAX_NAME = 120


@dataclass(frozen=True)
class EmailEnvelope:
    """`date` is aware and already in the zone whose offset the mail shows; `message_id` has its brackets."""

    sender_name: str
    sender_address: str
    recipient_name: str
    recipient_address: str
    message_id: str
    date: datetime


class UnusableHeaderError(ValueError):
    """An address or Message-ID that cannot stand in a header. Never repeats the value."""


def new_message_id(attempt_id: UUID, domain: str) -> str:
    """One per attempt, so that bounces and look-ups lead back to it."""
    return f"<{attempt_id.hex}@{domain}>"


def clean_subject(text: str) -> str:
    """One line without control characters, at most 200 characters."""
    return _shortened(one_line(text), _MAX_SUBJECT)


def write_mime(envelope: EmailEnvelope, *, subject: str, text: str, html: str | None) -> bytes:
    """multipart/alternative of text and HTML; text/plain alone without HTML. Same arguments, same bytes."""
    if not _MESSAGE_ID.fullmatch(envelope.message_id):
        raise UnusableHeaderError("The Message-ID must look like <name@domain>.")
    headers = (
        f"From: {_mailbox(envelope.sender_name, envelope.sender_address)}\r\n"
        f"To: {_mailbox(envelope.recipient_name, envelope.recipient_address)}\r\n"
        f"Subject: {_unstructured(clean_subject(subject))}\r\n"
        f"Message-ID: {envelope.message_id}\r\n"
        f"Date: {format_datetime(envelope.date)}\r\n"
        "Auto-Submitted: auto-generated\r\n"
        "MIME-Version: 1.0\r\n"
    ).encode("ascii")
    if html is None:
        return headers + _part("plain", text)
    # Neither encoding can produce "=_", so this never occurs inside a part (RFC 2045 §6.7).
    boundary = "=_" + sha256(envelope.message_id.encode()).hexdigest()[:32]
    delimiter = f"--{boundary}".encode("ascii")
    return b"".join(
        (
            headers,
            f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n\r\n'.encode("ascii"),
            delimiter + b"\r\n",
            _part("plain", text),
            b"\r\n" + delimiter + b"\r\n",
            _part("html", html),
            b"\r\n" + delimiter + b"--\r\n",
        )
    )


def _part(subtype: str, content: str) -> bytes:
    """Quoted-printable while most of it is ASCII, as spam filters prefer; else base64, which is shorter."""
    lines = content.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"
    raw = lines.replace("\n", "\r\n").encode("utf-8", "replace")
    mostly_ascii = len(raw) - len(lines) - lines.count("\n") <= len(lines) // 5
    if mostly_ascii:
        encoding, body = b"quoted-printable", b2a_qp(raw)
    else:
        encoding, body = b"base64", _base64_lines(raw)
    return (
        b"Content-Type: text/" + subtype.encode("ascii") + b"; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body
    )


def _base64_lines(raw: bytes) -> bytes:
    encoded = b2a_base64(raw, newline=False)
    return b"".join(encoded[start : start + 76] + b"\r\n" for start in range(0, len(encoded), 76))


def _unstructured(text: str) -> str:
    """A header's value: as it is when short and plain, else RFC 2047 encoded words, one per folded line."""
    if _PLAIN_HEADER.fullmatch(text) and "=?" not in text:
        return text
    return "\r\n ".join(_encoded_words(text))


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


def _mailbox(name: str, address: str) -> str:
    address = _address(address)
    name = _shortened(one_line(name), _MAX_NAME)
    if not name:
        return address
    if _DISPLAY_NAME.fullmatch(name) and "=?" not in name:
        space = " " if len(name) + len(address) < 66 else "\r\n "
        return f'"{name}"{space}<{address}>'
    return "\r\n ".join([*_encoded_words(name), f"<{address}>"])


def _address(address: str) -> str:
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


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
