"""Mails that come to us: stored as they came, read when they are processed, and matched to what they answer.

They are posted raw to `webhooks/email/raw` or read from a mailbox, whichever the installation has, or both.
"""

from base64 import b64decode
from datetime import datetime
from email.parser import BytesHeaderParser
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from clients.addresses import address_index, normalise_email
from clients.choices import ContactKind
from clients.models import ContactPoint
from communications.agents.reply_address import communication_answered
from communications.choices import AttentionKind, ReceiptKind
from communications.connectors.mailbox.imap import ImapSettings, Mailbox, MailboxError, open_mailbox
from communications.connectors.mailbox.reading import ReturnedMail, read_mail
from communications.models import DeliveryAttempt
from communications.rules.receipts import ProviderReceipt
from communications.services import receipt_effects
from communications.services.receipts import raw_payload, receive
from core import attention, clock
from core.choices import Channel
from core.errors import Invalid
from core.logs import get_logger

PROVIDER: Final = "mail"
MAX_MAIL_BYTES: Final = 25 * 1024 * 1024
_WRITTEN_BY_PEOPLE: Final = frozenset({ReceiptKind.REPLY, ReceiptKind.AUTO_REPLY})
_MAILS_A_RUN: Final = 200
_HEADER_BYTES: Final = 65_536
_FLAG_TOO_LARGE: Final = r"(\Seen \Flagged)"

log = get_logger("mailbox")


def register() -> None:
    """Called once, when the app is ready."""
    receipt_effects.register_reader(PROVIDER, read_stored)


def receipt_of(raw: bytes) -> ProviderReceipt:
    """To be stored at once; what the mail is, is found out later."""
    return ProviderReceipt(
        provider=PROVIDER, dedupe_key=_same_mail(raw), kind=ReceiptKind.UNREAD, payload=raw_payload(raw)
    )


def read_stored(payload: Any, received_at: datetime) -> ProviderReceipt:
    """What a stored mail is and which attempt it is about. Raises what `read_mail` does."""
    mail = read_mail(b64decode(payload["raw_base64"]))
    occurred_at = mail.occurred_at + clock.offset() if mail.occurred_at else received_at
    return ProviderReceipt(
        provider=PROVIDER,
        dedupe_key="",
        kind=mail.kind,
        occurred_at=occurred_at,
        attempt_id=_attempt_of(mail),
        message_id=_waited_for(mail),
        outcome_class=mail.outcome_class,
        code=mail.code,
        payload=_kept(mail),
    )


def _waited_for(mail: ReturnedMail) -> str:
    """The id of a mail of ours whose attempt is not known, or not yet; what others sent is not waited for."""
    if mail.kind in _WRITTEN_BY_PEOPLE:
        return ""
    ours = f"@{settings.SMTP_FROM_EMAIL.rpartition('@')[2]}>"
    return next((message_id for message_id in mail.about if message_id.endswith(ours)), "")


def read_mailbox(*, now: datetime) -> int:
    """Store what is new in the configured mailbox; returns how many mails. A mail is marked as seen once it is stored,
    so that it is read twice rather than never; twice it is known. Raises Unavailable when it cannot be stored."""
    if not settings.IMAP_HOST:
        return 0
    try:
        with open_mailbox(
            ImapSettings(
                settings.IMAP_HOST,
                settings.IMAP_PORT,
                settings.IMAP_USERNAME,
                settings.IMAP_PASSWORD,
                settings.IMAP_FOLDER,
            )
        ) as mailbox:
            stored = sum(_take(mailbox, uid) for uid in mailbox.unseen()[:_MAILS_A_RUN])
    except MailboxError as error:
        log.warning("mailbox not read", code=error.code)
        attention.raise_item(
            kind=AttentionKind.MAILBOX_FAILING,
            dedupe_key="imap",
            target="mailbox:imap",
            details={"code": error.code},
            now=now,
        )
        return 0
    attention.settle(kind=AttentionKind.MAILBOX_FAILING, dedupe_keys=["imap"], now=now)
    return stored


def _take(mailbox: Mailbox, uid: str) -> int:
    if mailbox.size(uid) > MAX_MAIL_BYTES:
        log.warning("mail too large, left in the mailbox with a flag")
        mailbox.mark(uid, flags=_FLAG_TOO_LARGE)
        return 0
    raw = mailbox.fetch(uid)
    if raw:
        receive([receipt_of(raw)])
    mailbox.mark(uid)
    return 1 if raw else 0


def _same_mail(raw: bytes) -> str:
    """The same mail may come by two ways, each of which adds headers of its own."""
    try:
        headers = BytesHeaderParser().parsebytes(raw[:_HEADER_BYTES])
        named = [str(headers.get(name, "")) for name in ("Message-ID", "Date", "From", "Subject")]
    except (ValueError, LookupError, TypeError, AttributeError):
        named = [""]
    text = "\n".join(named).encode("utf-8", "surrogatepass") if named[0].strip() else raw
    return sha256(text).hexdigest()


def _attempt_of(mail: ReturnedMail) -> UUID | None:
    """By the mail that it returns or answers, by the address that it came to, or, of what people write, by theirs."""
    known = dict(DeliveryAttempt.objects.filter(message_id__in=mail.about).values_list("message_id", "id"))
    for message_id in mail.about:
        if message_id in known:
            return known[message_id]
    emails = (
        DeliveryAttempt.objects.filter(channel=Channel.EMAIL)
        .order_by("-started_at")
        .values_list("id", flat=True)
    )
    for address in mail.sent_to:
        answered = communication_answered(address)
        if answered is not None:
            return emails.filter(communication_id=answered).first()
    if mail.kind not in _WRITTEN_BY_PEOPLE or not mail.sender:
        return None
    return _latest_to(mail.sender)


def _latest_to(sender: str) -> UUID | None:
    """The last mail to the only client with this address; with several, nobody can tell whose answer it is."""
    try:
        index = address_index(normalise_email(sender, field="from"), kind=ContactKind.EMAIL)
    except Invalid:
        return None
    points = ContactPoint.objects.filter(kind=ContactKind.EMAIL, address_index=index)
    clients = set(points.values_list("client_id", flat=True))
    if len(clients) != 1:
        return None
    attempts = DeliveryAttempt.objects.filter(contact_point__in=points).order_by("-started_at")
    return attempts.values_list("id", flat=True).first()


def _kept(mail: ReturnedMail) -> dict[str, str]:
    """What is worth keeping of it, in its sender's words; the copy of our own mail is not."""
    words = {"said": mail.said, "from": mail.sender, "subject": mail.subject, "text": mail.text}
    return {name: value for name, value in words.items() if value}
