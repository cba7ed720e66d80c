"""A finished e-mail as bytes for SMTP DATA: RFC 5322 and MIME, CRLF line ends, seven bits only.

    multipart/mixed                 with attachments
      multipart/alternative
        text/plain
        multipart/related           with images that stand in the HTML
          text/html
          image/png, inline
      application/pdf

Levels that would hold one part alone are left out. Written out directly instead of through `email.message`: that
costs more than the rest of composing, and here no value can reach a header but through `headers`.
"""

import re
from binascii import b2a_base64, b2a_qp
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import cached_property
from hashlib import sha256

from communications.agents import headers
from communications.agents.headers import UnusableHeaderError

__all__ = ["EmailEnvelope", "MailPart", "UnusableHeaderError", "write_mime"]

_CONTENT_TYPE = re.compile(r"[a-z]{1,20}/[a-z0-9][a-z0-9.+-]{0,60}")
_CONTENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True)
class EmailEnvelope:
    """`date` is aware and already in the zone whose offset the mail shows; Message-IDs have their brackets.

    What is empty makes no header. `thread` is what all mails of a conversation refer to, `list_id` names us as a sender
    that filters can sort by (RFC 2919), `unsubscribe_url` takes one-click posts (RFC 8058).
    """

    sender_name: str
    sender_address: str
    recipient_name: str
    recipient_address: str
    message_id: str
    date: datetime
    reply_to: str = ""
    thread: str = ""
    list_id: str = ""
    unsubscribe_url: str = ""


@dataclass(frozen=True)
class MailPart:
    """A file in a mail. With `inline_id` it stands in the HTML as `cid:ID`; without, it is an attachment.

    `content_type` is what was found by looking into `content`, never what somebody claimed.
    """

    filename: str
    content_type: str
    content: bytes
    inline_id: str = ""

    @cached_property
    def written(self) -> bytes:
        """Headers and body. Kept, for the company's logo is the same in every mail."""
        if not _CONTENT_TYPE.fullmatch(self.content_type):
            raise UnusableHeaderError("A content type must look like application/pdf.")
        if self.inline_id and not _CONTENT_ID.fullmatch(self.inline_id):
            raise UnusableHeaderError("An inline id must be made of letters, digits, dots and dashes.")
        disposition = "inline" if self.inline_id else "attachment"
        head = (
            f"Content-Type: {self.content_type}\r\n"
            "Content-Transfer-Encoding: base64\r\n"
            f"Content-Disposition: {disposition}{headers.filename_parameter(self.filename)}\r\n"
        )
        if self.inline_id:
            head += f"Content-ID: <{self.inline_id}>\r\n"
        return head.encode("ascii") + b"\r\n" + _base64_lines(self.content)


def write_mime(
    envelope: EmailEnvelope, *, subject: str, text: str, html: str | None, parts: Sequence[MailPart] = ()
) -> bytes:
    """The mail, with what it carries; text alone without HTML. Same arguments, same bytes.

    Raises UnusableHeaderError for an address, id or URL that no header can hold.
    """
    # Neither encoding can produce "=_", so no boundary ever occurs inside a part (RFC 2045 §6.7).
    boundary = "=_" + sha256(envelope.message_id.encode()).hexdigest()[:32]
    inline = [part.written for part in parts if part.inline_id]
    attached = [part.written for part in parts if not part.inline_id]
    body = _text_part(b"plain", text)
    if html is not None:
        shown = _text_part(b"html", html)
        if inline:
            shown = _multipart('related; type="text/html"', f"{boundary}r", [shown, *inline])
        body = _multipart("alternative", f"{boundary}a", [body, shown])
    if attached:
        body = _multipart("mixed", f"{boundary}m", [body, *attached])
    return _head(envelope, subject) + body


def _head(envelope: EmailEnvelope, subject: str) -> bytes:
    sender = headers.sender_mailbox(envelope.sender_name, envelope.sender_address)
    lines = [f"From: {sender}", f"To: {headers.mailbox(envelope.recipient_name, envelope.recipient_address)}"]
    if envelope.reply_to:
        lines.append(f"Reply-To: {headers.mail_address(envelope.reply_to)}")
    lines += [
        f"Subject: {headers.unstructured(headers.clean_subject(subject))}",
        f"Message-ID: {headers.message_id(envelope.message_id)}",
    ]
    if envelope.thread:
        thread = headers.message_id(envelope.thread)
        lines += [f"In-Reply-To: {thread}", f"References: {thread}"]
    lines.append(f"Date: {format_datetime(envelope.date)}")
    if envelope.list_id:
        lines.append(f"List-Id: {headers.list_id(envelope.sender_name, envelope.list_id)}")
    if envelope.unsubscribe_url:
        lines += [
            f"List-Unsubscribe: {headers.link(envelope.unsubscribe_url)}",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        ]
    # No automatic reply should answer (RFC 3834 §5).
    lines += ["Auto-Submitted: auto-generated", "MIME-Version: 1.0", ""]
    return "\r\n".join(lines).encode("ascii")


def _multipart(kind: str, boundary: str, parts: Sequence[bytes]) -> bytes:
    delimiter = f"--{boundary}".encode("ascii")
    pieces = [f'Content-Type: multipart/{kind};\r\n boundary="{boundary}"\r\n\r\n'.encode("ascii")]
    for part in parts:
        pieces += [delimiter, b"\r\n", part, b"\r\n"]
    return b"".join([*pieces, delimiter, b"--\r\n"])


def _text_part(subtype: bytes, content: str) -> bytes:
    """Quoted-printable while most of it is ASCII, as spam filters prefer; else base64, which is shorter."""
    lines = content.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"
    raw = lines.replace("\n", "\r\n").encode("utf-8", "replace")
    mostly_ascii = len(raw) - len(lines) - lines.count("\n") <= len(lines) // 5
    if mostly_ascii:
        encoding, body = b"quoted-printable", b2a_qp(raw)
    else:
        encoding, body = b"base64", _base64_lines(raw)
    return (
        b"Content-Type: text/" + subtype + b"; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body
    )


def _base64_lines(raw: bytes) -> bytes:
    encoded = b2a_base64(raw, newline=False)
    return b"".join(encoded[start : start + 76] + b"\r\n" for start in range(0, len(encoded), 76))
