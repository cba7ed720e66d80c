"""Mails that come back to us, in our words: bounces, complaints, automatic answers, replies. Pure.

RFC 3464 (delivery status), RFC 5965 (complaints), RFC 3834 (automatic answers). Action and Status decide, never the
prose: what a server writes for people contradicts its codes often enough. Any bytes give an answer, or `Unreadable`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Final

from communications.choices import OutcomeClass, ReceiptKind
from communications.connectors.mailbox.status_codes import class_of, code_of, find_code

# More than any mail program makes; beyond it somebody means harm, and the rest is not looked at.
_MAX_PARTS: Final = 200
_MAX_TEXT: Final = 20_000
_MAX_SAID: Final = 1_000
_MAX_IDS: Final = 50
_MESSAGE_ID: Final = re.compile(r"<[^<>\s@]{1,200}@[^<>\s@]{1,200}>")
_ORIGINAL: Final = re.compile(r"^(?:received|message-id|return-path):", re.IGNORECASE | re.MULTILINE)
_QUOTED_ID: Final = re.compile(r"^message-id:\s*(<[^<>\s]{3,400}>)", re.IGNORECASE | re.MULTILINE)
_STATUS_LINES: Final = re.compile(
    r"^(final-recipient|action|status|diagnostic-code):[ \t]*(.+)$", re.IGNORECASE | re.MULTILINE
)
_POSTMASTERS: Final = re.compile(r"^(?:mailer-daemon|postmaster|mail-daemon)@", re.IGNORECASE)
_AUTOMATIC_SUBJECT: Final = re.compile(
    r"^\s*(?:auto(?:matic)?[ -]?(?:reply|response|answer)\b|out of (?:the )?office\b|away (?:until|from)\b)",
    re.IGNORECASE,
)
_AUTOMATIC_HEADERS: Final = ("x-autoreply", "x-autorespond", "x-auto-response-suppress")
_ACTIONS: Final = {
    "failed": ReceiptKind.BOUNCED,
    "delayed": ReceiptKind.DEFERRED,
    "delivered": ReceiptKind.DELIVERED,
    "relayed": ReceiptKind.ACCEPTED,
    "expanded": ReceiptKind.ACCEPTED,
}
# RFC 5965 §7.3; what is not about unwanted mail tells us nothing of the recipient's will.
_FEEDBACK: Final = {
    "abuse": ReceiptKind.COMPLAINED,
    "fraud": ReceiptKind.COMPLAINED,
    "opt-out": ReceiptKind.UNSUBSCRIBED,
}


class Unreadable(ValueError):
    """Nested or broken beyond what can be read. Never repeats anything of the mail."""


@dataclass(frozen=True)
class ReturnedMail:
    """`about`: Message-IDs that it refers to, the surest first. `sent_to`: addresses that it came to, for those of them
    that name a message. `said`: the server's own words of a bounce. `text`: of a reply, what was written."""

    kind: ReceiptKind
    about: tuple[str, ...] = ()
    sent_to: tuple[str, ...] = ()
    sender: str = ""
    subject: str = ""
    occurred_at: datetime | None = None
    outcome_class: OutcomeClass | None = None
    code: str = ""
    said: str = ""
    text: str = ""


@dataclass(frozen=True)
class _Fields:
    """Of one recipient in a delivery status. We write to one recipient a mail."""

    action: str
    status: str
    diagnostic: str


def read_mail(raw: bytes) -> ReturnedMail:
    """What a mail to us is. Raises Unreadable."""
    try:
        mail = message_from_bytes(raw)
        parts = list(_parts(mail))
        return _judge(mail, parts)
    except (RecursionError, LookupError, ValueError, AssertionError, TypeError, AttributeError) as error:
        # Python's parser answers nonsense with any of these.
        raise Unreadable("This mail cannot be read.") from error


def _judge(mail: Message, parts: Sequence[Message]) -> ReturnedMail:
    feedback = _first(parts, "message/feedback-report")
    if feedback is not None:
        return _complaint(mail, parts, feedback)
    fields = _delivery_status(parts)
    if fields is not None:
        return _status_report(mail, parts, fields)
    text = _text(parts)
    if _is_from_a_server(mail):
        return _bounce_in_prose(mail, parts, text)
    kind = ReceiptKind.AUTO_REPLY if _is_automatic(mail) else ReceiptKind.REPLY
    return _base(mail, kind, about=_referred(mail), text=text)


def _complaint(mail: Message, parts: Sequence[Message], feedback: Message) -> ReturnedMail:
    fields = _fields_of(feedback)
    kind = _FEEDBACK.get(fields.get("feedback-type", "").strip().lower(), ReceiptKind.OTHER)
    return _base(mail, kind, about=_returned_ids(parts), code=fields.get("feedback-type", "")[:32])


def _status_report(mail: Message, parts: Sequence[Message], fields: _Fields) -> ReturnedMail:
    kind = _ACTIONS.get(fields.action, ReceiptKind.OTHER)
    code = code_of(fields.status, fields.diagnostic)
    return _base(
        mail,
        kind,
        about=[*_returned_ids(parts), *_referred(mail)],
        outcome_class=class_of(code) if kind is ReceiptKind.BOUNCED else None,
        code=code,
        said=fields.diagnostic,
    )


def _bounce_in_prose(mail: Message, parts: Sequence[Message], text: str) -> ReturnedMail:
    """From servers that do not write RFC 3464: a code that they quote, else that they name who failed."""
    own_words = _ORIGINAL.split(text, maxsplit=1)[0]
    code, said = find_code(own_words)
    failed = bool(mail.get("X-Failed-Recipients"))
    about = [*_returned_ids(parts), *_QUOTED_ID.findall(text), *_referred(mail)]
    if code.startswith("5") or failed:
        return _base(
            mail, ReceiptKind.BOUNCED, about=about, outcome_class=class_of(code), code=code, said=said
        )
    kind = ReceiptKind.DEFERRED if code else ReceiptKind.AUTO_REPLY
    return _base(mail, kind, about=about, code=code, said=said)


def _base(  # noqa: PLR0913 - what differs between kinds, by name
    mail: Message,
    kind: ReceiptKind,
    *,
    about: Sequence[str],
    outcome_class: OutcomeClass | None = None,
    code: str = "",
    said: str = "",
    text: str = "",
) -> ReturnedMail:
    to = (mail.get_all(name, []) for name in ("To", "Cc", "Delivered-To", "X-Original-To", "Envelope-To"))
    sent_to = [address for values in to for _, address in getaddresses([str(value) for value in values])]
    senders = getaddresses([str(mail.get("From", ""))])
    return ReturnedMail(
        kind=kind,
        about=tuple(dict.fromkeys(about))[:_MAX_IDS],
        sent_to=tuple(dict.fromkeys(address for address in sent_to if "@" in address))[:_MAX_IDS],
        sender=senders[0][1] if senders else "",
        subject=_decoded(mail.get("Subject", ""))[:300],
        occurred_at=_date(mail),
        outcome_class=outcome_class,
        code=code,
        said=" ".join(said.split())[:_MAX_SAID],
        text=text[:_MAX_TEXT],
    )


def _parts(mail: Message) -> Iterator[Message]:
    """Every part, the outermost first, without recursion."""
    waiting, seen = [mail], 0
    while waiting and seen < _MAX_PARTS:
        part = waiting.pop(0)
        seen += 1
        yield part
        # Not into a mail that came back: what it says is ours.
        if part.is_multipart() and part.get_content_type() not in {
            "message/rfc822",
            "message/delivery-status",
        }:
            waiting.extend(each for each in part.get_payload() if isinstance(each, Message))


def _first(parts: Sequence[Message], content_type: str) -> Message | None:
    return next((part for part in parts if part.get_content_type() == content_type), None)


def _delivery_status(parts: Sequence[Message]) -> _Fields | None:
    part = _first(parts, "message/delivery-status")
    if part is not None:
        payload = part.get_payload()
        blocks = [
            {name.lower(): str(value) for name, value in block.items()}
            for block in (payload if isinstance(payload, list) else [])
            if isinstance(block, Message)
        ]
    else:
        # Broken MIME: the fields stand in the text.
        blocks = [_header_lines(_content(each)) for each in parts if not each.is_multipart()]
        blocks = [block for block in blocks if "final-recipient" in block]
    found = [
        _Fields(
            action=block["action"].strip().lower(),
            status=block.get("status", ""),
            diagnostic=block.get("diagnostic-code", ""),
        )
        for block in blocks
        if block.get("action")
    ]
    failed = [fields for fields in found if fields.action == "failed"]
    return next(iter(failed or found), None)


def _fields_of(part: Message) -> dict[str, str]:
    """Python reads the body of any message/… as a mail, whose headers are the fields."""
    inner = part.get_payload(0) if part.is_multipart() else None
    if isinstance(inner, Message):
        return {name.lower(): str(value) for name, value in inner.items()}
    return _header_lines(_content(part))


def _header_lines(text: str) -> dict[str, str]:
    lines: dict[str, str] = {}
    for line in text[:_MAX_TEXT].splitlines():
        name, colon, value = line.partition(":")
        if colon and re.fullmatch(r"[A-Za-z-]{2,40}", name):
            lines.setdefault(name.lower(), value.strip())
    return lines


def _returned_ids(parts: Sequence[Message]) -> list[str]:
    """Message-IDs of the mail that came back, whole or as its headers."""
    found = []
    for part in parts:
        kind = part.get_content_type()
        if part.get_content_maintype() == "message" and part.is_multipart():
            found += _MESSAGE_ID.findall(_fields_of(part).get("message-id", ""))
        elif kind in {"text/rfc822-headers", "message/rfc822-headers", "message/rfc822", "message/partial"}:
            found += _QUOTED_ID.findall(_content(part))
    return found


def _referred(mail: Message) -> list[str]:
    answered = _MESSAGE_ID.findall(str(mail.get("In-Reply-To", ""))[:_MAX_TEXT])
    thread = _MESSAGE_ID.findall(str(mail.get("References", ""))[:_MAX_TEXT])
    return [*answered, *reversed(thread)]


def _is_from_a_server(mail: Message) -> bool:
    if mail.get_content_type() == "multipart/report" or mail.get("X-Failed-Recipients"):
        return True
    senders = getaddresses([str(mail.get("From", ""))])
    return any(_POSTMASTERS.match(address) for _, address in senders)


def _is_automatic(mail: Message) -> bool:
    submitted = str(mail.get("Auto-Submitted", "no")).strip().lower()
    precedence = str(mail.get("Precedence", "")).strip().lower()
    return (
        not submitted.startswith("no")
        or precedence in {"auto_reply", "bulk", "junk"}
        or any(mail.get(name) for name in _AUTOMATIC_HEADERS)
        or str(mail.get("Return-Path", "")).strip() == "<>"
        or bool(_AUTOMATIC_SUBJECT.match(_decoded(mail.get("Subject", ""))))
    )


def _text(parts: Sequence[Message]) -> str:
    texts = (_content(part) for part in parts if part.get_content_type() == "text/plain")
    return next((text for text in texts if text.strip()), "")


def _content(part: Message) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    charset = part.get_content_charset("utf-8") or "utf-8"
    try:
        return raw[: 4 * _MAX_TEXT].decode(charset, "replace")
    except LookupError:
        return raw[: 4 * _MAX_TEXT].decode("latin-1")


def _decoded(header: object) -> str:
    try:
        return str(make_header(decode_header(str(header))))
    except (LookupError, ValueError):
        return str(header)


def _date(mail: Message) -> datetime | None:
    try:
        at = parsedate_to_datetime(str(mail.get("Date", "")))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
