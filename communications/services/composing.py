"""From a checked communication to what its connector sends."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings

from communications.agents.email import (
    ComposedText,
    EmailEnvelope,
    MailPart,
    MessageFacts,
    build_mime,
    compose_html,
    compose_text,
    new_message_id,
    thread_id,
)
from communications.agents.messaging import compose_message
from communications.agents.reply_address import reply_address
from communications.connectors.base import OutgoingMessage
from communications.models import Communication, TemplateVersion
from communications.selectors.sending import SendJob
from communications.services.checking import Cleared
from core.choices import Channel
from core.sealing import SecretKey, seal
from preferences.links import LinkSubject, unsubscribe_url


@dataclass(frozen=True)
class Prepared:
    """`degraded` says what went wrong with the text or the HTML, empty when nothing did. `content`: the text was made
    only now, for a channel that it was not planned for; it is stored with the outcome."""

    message: OutgoingMessage
    html_sha256: str
    degraded: str
    content: bytes | None = None


@dataclass(frozen=True)
class StoredContent:
    """A composed text, the zone that its times are written in, and the channel that it was composed for."""

    composed: ComposedText
    zone: str
    channel: Channel


def compose_for(channel: Channel, version: TemplateVersion | None, facts: MessageFacts) -> ComposedText:
    """The text of a message on `channel`. Never fails."""
    return compose_text(version, facts) if channel is Channel.EMAIL else compose_message(facts, channel)


def seal_content(
    composed: ComposedText, zone: str, key: SecretKey, channel: Channel = Channel.EMAIL
) -> bytes | None:
    """What is stored of a composed text."""
    where = {} if channel is Channel.EMAIL else {"channel": channel.value}
    return seal(Communication, "content", vars(composed) | {"zone": zone} | where, key)


def stored_content(job: SendJob) -> StoredContent:
    """What was composed of the job, for whichever channel. Raises Unreadable."""
    content = job.content()
    zone, channel = content.pop("zone"), Channel(content.pop("channel", Channel.EMAIL))
    return StoredContent(ComposedText(**content), zone, channel)


Parts = Sequence[MailPart]


class AttachmentMissing(Exception):
    """A file that belongs to the message is not there. It never goes out without."""


def prepare(cleared: Cleared, *, attempt_id: UUID, now: datetime, parts: Parts = ()) -> Prepared:
    """What the connector of the job's channel sends. A row that went over to another channel is composed for it.

    `parts` are the files of its request; only an e-mail carries them. Raises AttachmentMissing.
    """
    return _PREPARE[cleared.job.channel](cleared, attempt_id, now, parts)


def _prepare_email(cleared: Cleared, attempt_id: UUID, now: datetime, parts: Parts) -> Prepared:
    """The e-mail of a job. The subject and text are those composed when the request was accepted; the HTML is made
    from the pinned template version and the context."""
    job = cleared.job
    if len(parts) < job.attachment_count:
        raise AttachmentMissing
    content, resealed = _content_for(job)
    # The zone of the stored text: the parts of one message never contradict each other.
    composed, zone = content.composed, content.zone
    html = compose_html(job.template_version, facts_of(job, zone), composed)
    domain = settings.SMTP_FROM_EMAIL.rpartition("@")[2]
    message_id = new_message_id(attempt_id, domain)
    recipient = cleared.contact_point.address
    payload = build_mime(
        envelope=EmailEnvelope(
            sender_name=settings.SMTP_FROM_NAME,
            sender_address=settings.SMTP_FROM_EMAIL,
            recipient_name=job.row["client_name"],
            recipient_address=recipient,
            message_id=message_id,
            date=now.astimezone(ZoneInfo(zone)),
            reply_to=reply_address(job.communication_id),
            thread=thread_id(job.row["plan_id"], domain),
            list_id=f"clients.{domain}",
            unsubscribe_url=unsubscribe_url(
                LinkSubject(job.client_id, cleared.contact_point.id, Channel.EMAIL)
            ),
        ),
        composed=composed,
        html=html.html,
        parts=parts,
    )
    return Prepared(
        OutgoingMessage(
            attempt_id=attempt_id,
            message_id=message_id,
            sender=settings.SMTP_FROM_EMAIL,
            recipient=recipient,
            payload=payload,
        ),
        html.sha256,
        html.degraded,
        resealed,
    )


def _prepare_sms(cleared: Cleared, attempt_id: UUID, _now: datetime, _parts: Parts) -> Prepared:
    """One segment of text; whom it comes from belongs to the provider's account."""
    content, resealed = _content_for(cleared.job)
    message = OutgoingMessage(
        attempt_id=attempt_id,
        message_id="",
        sender="",
        recipient=cleared.contact_point.address,
        payload=content.composed.text.encode(),
    )
    return Prepared(message, "", content.composed.degraded, resealed)


def _content_for(job: SendJob) -> tuple[StoredContent, bytes | None]:
    """The job's text for the channel that it goes out by; sealed again where it had been composed for another."""
    stored = stored_content(job)
    if stored.channel is job.channel or job.key is None:
        return stored, None
    composed = compose_for(job.channel, job.template_version, facts_of(job, stored.zone))
    content = StoredContent(composed, stored.zone, job.channel)
    return content, seal_content(composed, stored.zone, job.key, job.channel)


_PREPARE: Final[Mapping[Channel, Callable[[Cleared, UUID, datetime, Parts], Prepared]]] = MappingProxyType(
    {Channel.EMAIL: _prepare_email, Channel.SMS: _prepare_sms}
)


def recompose(job: SendJob) -> bytes | None:
    """The content with its times in the client's present zone, or None: they are, or nothing may be read."""
    zone = job.preferences.zone.key
    if job.key is None or job.content()["zone"] == zone:
        return None
    composed = compose_for(job.channel, job.template_version, facts_of(job, zone))
    return seal_content(composed, zone, job.key, job.channel)


def facts_of(job: SendJob, zone: str) -> MessageFacts:
    return message_facts(
        job.context(),
        message_type=job.message_type,
        plan_reference=job.row["plan_reference"],
        zone=zone,
        requested_at=job.row["requested_at"],
    )


def message_facts(
    values: Mapping[str, Any], *, message_type: str, plan_reference: str, zone: str, requested_at: datetime
) -> MessageFacts:
    """What a template is filled with. `values` are those stored when the request was accepted, so that the parts of
    one message never contradict each other, whenever each is made."""
    event_date = values.get("event_date")
    return MessageFacts(
        message_type=message_type,
        client_name=values.get("client_name", ""),
        plan_reference=plan_reference,
        zone=zone,
        event_type=values.get("event_type"),
        event_date=date.fromisoformat(event_date) if event_date else None,
        variables=values,
        requested_at=requested_at,
    )
