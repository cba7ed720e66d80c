"""What callers are told. The same classes make the answers and their schema."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from rest_framework import serializers

from communications.agents.email import RENDERING_FAILED, TEMPLATE_MISSING
from communications.choices import AttemptStatus, ContentType, MessageType, Role, Status, Urgency
from communications.models import Communication, CommunicationRequest
from communications.rules.message_types import Answer, MessageTypeRule, priority_of
from communications.selectors.detail import CommunicationDetail, RequestOutcome
from communications.selectors.history import HistoryPage
from core.api.fields import StrictChoiceField
from core.choices import Channel, Purpose
from preferences.choices import ConsentSource

_Answer = serializers.Serializer[Any]
# Of a whole request, as its caller is told: its primary's, or that it waits for the database.
ACCEPTED = "accepted"
REQUEST_STATUSES = [ACCEPTED, *(status.value for status in Status)]


class ReasonSerializer(_Answer):
    code = serializers.CharField(help_text="Stable, for programs.")
    text = serializers.CharField(help_text="For people.")


class StrategySerializer(_Answer):
    channels = serializers.ListField(child=serializers.CharField(), help_text="The primary's first.")
    priority = serializers.IntegerField(help_text="Lower goes first.")
    content_type = StrictChoiceField(choices=ContentType)
    batch_key = serializers.CharField(allow_null=True)
    fallbacks = serializers.ListField(child=serializers.CharField(), help_text="In order.")
    reasons = ReasonSerializer(many=True)


def strategy_of(request: CommunicationRequest, rule: MessageTypeRule) -> dict[str, Any]:
    """The stored decision in the form of the API; where nothing goes out, what would have."""
    stored: Mapping[str, Any] = request.strategy
    deliveries = stored["deliveries"]
    return {
        "channels": [delivery["channel"] for delivery in deliveries],
        "priority": deliveries[0]["priority"] if deliveries else priority_of(Urgency(request.urgency)),
        "content_type": deliveries[0]["content_type"] if deliveries else rule.content_type.value,
        "batch_key": stored["batch_key"],
        "fallbacks": stored["fallbacks"],
        "reasons": stored["reasons"],
    }


class DigestSerializer(_Answer):
    communication_id = serializers.UUIDField(source="id")
    status = StrictChoiceField(choices=Status)
    sent_at = serializers.DateTimeField(allow_null=True)


class CommunicationSerializer(_Answer):
    """A line of the history, from a CommunicationEntry."""

    communication_id = serializers.UUIDField(source="row.id")
    request_id = serializers.UUIDField(source="row.request_id")
    plan_id = serializers.CharField(source="row.plan.reference")
    client_id = serializers.CharField(source="row.client.reference")
    message_type = StrictChoiceField(choices=MessageType, source="row.message_type")
    channel = StrictChoiceField(choices=Channel, source="row.channel")
    role = StrictChoiceField(choices=Role, source="row.role")
    status = StrictChoiceField(choices=Status, source="row.status")
    subject = serializers.CharField(allow_null=True, help_text="Null once the client was erased.")
    preview = serializers.CharField(allow_null=True)
    urgency = StrictChoiceField(choices=Urgency, source="row.urgency")
    priority = serializers.IntegerField(source="row.priority")
    created_at = serializers.DateTimeField(source="row.created_at")
    scheduled_at = serializers.DateTimeField(source="row.goes_out_at", allow_null=True)
    sent_at = serializers.DateTimeField(source="row.sent_at", allow_null=True)
    delivered_at = serializers.DateTimeField(source="row.delivered_at", allow_null=True)
    opened_at = serializers.DateTimeField(source="row.opened_at", allow_null=True)
    clicked_at = serializers.DateTimeField(source="row.clicked_at", allow_null=True)
    responded_at = serializers.DateTimeField(source="row.responded_at", allow_null=True)
    failed_at = serializers.DateTimeField(source="row.failed_at", allow_null=True)
    error_message = serializers.CharField(allow_null=True, help_text="Of the newest attempt.")
    degraded = serializers.ChoiceField(
        choices=[TEMPLATE_MISSING, RENDERING_FAILED],
        source="row.metadata.degraded",
        allow_null=True,
        help_text="Why the message is plainer than its template would make it; null where it is not.",
    )
    retry_count = serializers.IntegerField(source="row.retry_count")
    open_count = serializers.IntegerField(source="row.open_count")
    click_count = serializers.IntegerField(source="row.click_count")
    digest = DigestSerializer(
        allow_null=True, help_text="The digest that it was merged into, which tells how it went; else null."
    )


class HistorySerializer(_Answer):
    total = serializers.IntegerField(help_text="Exact up to 10,000.")
    total_is_capped = serializers.BooleanField(help_text="Whether there are more than `total`.")
    limit = serializers.IntegerField()
    offset = serializers.IntegerField()
    next = serializers.CharField(
        allow_null=True, help_text="Give it as `cursor` for the next page; null on the last."
    )
    communications = CommunicationSerializer(many=True)


def history_answer(page: HistoryPage, *, limit: int, offset: int) -> dict[str, Any]:
    return HistorySerializer(
        {
            "total": page.total,
            "total_is_capped": page.total_is_capped,
            "limit": limit,
            "offset": offset,
            "next": page.next_cursor,
            "communications": page.entries,
        }
    ).data


class ContentSerializer(_Answer):
    subject = serializers.CharField(allow_null=True)
    preview = serializers.CharField(allow_null=True)
    text = serializers.CharField(allow_null=True)


class AttemptSerializer(_Answer):
    attempt_id = serializers.UUIDField(source="row.id")
    number = serializers.IntegerField(source="row.number")
    channel = serializers.CharField(source="row.channel")
    provider = serializers.CharField(source="row.provider")
    status = StrictChoiceField(choices=AttemptStatus, source="row.delivery_status")
    message_id = serializers.CharField(source="row.message_id")
    provider_message_id = serializers.CharField(source="row.provider_message_id")
    outcome_class = serializers.CharField(
        source="row.outcome_class", help_text="Empty while it is not known."
    )
    outcome_code = serializers.CharField(source="row.outcome_code", help_text="The provider's code.")
    started_at = serializers.DateTimeField(source="row.started_at")
    finished_at = serializers.DateTimeField(source="row.finished_at", allow_null=True)


class DeliveryLogSerializer(_Answer):
    """DB-3: how far one attempt got."""

    attempt_id = serializers.UUIDField(source="row.id")
    delivery_status = StrictChoiceField(choices=AttemptStatus, source="row.delivery_status")
    opened_at = serializers.DateTimeField(source="row.opened_at", allow_null=True)
    clicked_at = serializers.DateTimeField(source="row.clicked_at", allow_null=True)
    error_message = serializers.CharField(allow_null=True, help_text="In the provider's own words.")


class EventSerializer(_Answer):
    event_id = serializers.IntegerField(source="id")
    attempt_id = serializers.UUIDField(allow_null=True)
    from_status = serializers.CharField(help_text="Empty where the status did not change.")
    to_status = serializers.CharField(help_text="Empty where the status did not change.")
    cause = serializers.CharField()
    reason = serializers.CharField(help_text="The code of our rule that decided, where one did.")
    code = serializers.CharField(help_text="The provider's code, where there is one.")
    actor = serializers.CharField()
    occurred_at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()


class ConsentBasisSerializer(_Answer):
    """What allowed the newest call of the provider."""

    channel = StrictChoiceField(choices=Channel)
    source = StrictChoiceField(choices=ConsentSource)  # type: ignore[assignment]  # DRF's base has this name
    actor = serializers.CharField()
    occurred_at = serializers.DateTimeField()
    wording = serializers.CharField(help_text="Version of the words.")
    words = serializers.CharField(help_text="What the client read, or what was told on their behalf.")
    entry_id = serializers.IntegerField(
        allow_null=True, help_text="Of the ledger; null: the address is older than it."
    )


class DetailAttachmentSerializer(_Answer):
    """A file that goes with the message."""

    id = serializers.IntegerField()
    filename = serializers.CharField(allow_null=True, help_text="Null once the client was erased.")
    media_type = serializers.CharField(help_text="application/pdf, image/png or image/jpeg, by its content.")
    size_bytes = serializers.IntegerField()
    made_by_us = serializers.BooleanField(help_text="Whether it is the blueprint that we made of its text.")


class CommunicationDetailSerializer(CommunicationSerializer):
    content = ContentSerializer()
    context = serializers.JSONField(  # type: ignore[assignment]  # DRF's base has an attribute of this name
        allow_null=True, help_text="As normalised; null once the client was erased."
    )
    strategy = StrategySerializer()
    attempts = AttemptSerializer(many=True)
    events = EventSerializer(many=True)
    attachments = DetailAttachmentSerializer(
        many=True, help_text="A blueprint that is made of its text appears some seconds after the request."
    )
    delivery_logs = DeliveryLogSerializer(many=True)
    resent_from = serializers.UUIDField(
        source="row.resent_from_id", allow_null=True, help_text="The earlier one that this one repeats."
    )
    resent_as = serializers.UUIDField(allow_null=True, help_text="The later one that repeats this one.")
    members = serializers.ListField(
        child=serializers.UUIDField(), help_text="Of a digest: the communications that it brings together."
    )
    consent = ConsentBasisSerializer(
        allow_null=True, help_text="Who allowed it, when, with which words; null while nothing was sent."
    )


def detail_answer(detail: CommunicationDetail, rule: MessageTypeRule) -> dict[str, Any]:
    entry = detail.entry
    return CommunicationDetailSerializer(
        {
            "row": entry.row,
            "subject": entry.subject,
            "preview": entry.preview,
            "error_message": entry.error_message,
            "content": {"subject": entry.subject, "preview": entry.preview, "text": detail.text},
            "context": detail.context,
            "strategy": strategy_of(entry.row.request, rule),
            "attempts": detail.attempts,
            "events": detail.events,
            "attachments": detail.attachments,
            "delivery_logs": detail.attempts,
            "resent_as": detail.resent_as,
            "digest": entry.digest,
            "members": [member.id for member in detail.members],
            "consent": detail.consent,
        }
    ).data


class BriefCommunicationSerializer(_Answer):
    communication_id = serializers.UUIDField(source="id")
    channel = StrictChoiceField(choices=Channel)
    role = StrictChoiceField(choices=Role)
    status = StrictChoiceField(choices=Status)
    scheduled_at = serializers.DateTimeField(source="goes_out_at", allow_null=True)


class RequestMetadataSerializer(_Answer):
    subject = serializers.CharField(allow_null=True)
    recipient = serializers.CharField(allow_null=True, help_text="Masked.")


class RequestAnswerSerializer(_Answer):
    request_id = serializers.UUIDField()
    duplicate = serializers.BooleanField(help_text="Whether this is the answer to an earlier, equal request.")
    communication_id = serializers.UUIDField(allow_null=True, help_text="The primary's, as are those below.")
    status = serializers.ChoiceField(
        choices=REQUEST_STATUSES,
        help_text="`accepted`: the database is away; what becomes of the request is decided when it is back.",
    )
    channel_used = StrictChoiceField(choices=Channel, allow_null=True)
    scheduled_at = serializers.DateTimeField(allow_null=True)
    sent_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True)
    error_message = serializers.CharField(allow_null=True)
    communications = BriefCommunicationSerializer(many=True)
    strategy = StrategySerializer(allow_null=True, help_text="Null while the request is only accepted.")
    metadata = RequestMetadataSerializer()


def request_answer(outcome: RequestOutcome, rule: MessageTypeRule, *, duplicate: bool) -> dict[str, Any]:
    """In the form of RequestAnswerSerializer, made by hand: making the serializer takes longer than all that it says.
    A request that led to no communication is answered like one that was cancelled."""
    primary = outcome.primary
    row: Communication | None = primary.row if primary else None
    return {
        "request_id": outcome.request.id,
        "duplicate": duplicate,
        "communication_id": row.id if row else None,
        "status": row.status if row else Status.CANCELLED.value,
        "channel_used": row.channel if row else None,
        "scheduled_at": row.goes_out_at if row else None,
        "sent_at": row.sent_at if row else None,
        "delivered_at": row.delivered_at if row else None,
        "error_message": primary.error_message if primary else None,
        "communications": [brief_line(each) for each in outcome.communications],
        "strategy": strategy_of(outcome.request, rule),
        "metadata": {"subject": primary.subject if primary else None, "recipient": outcome.recipient},
    }


def brief_line(row: Communication) -> dict[str, Any]:
    """In the form of BriefCommunicationSerializer."""
    return {
        "communication_id": row.id,
        "channel": row.channel,
        "role": row.role,
        "status": row.status,
        "scheduled_at": row.goes_out_at,
    }


def accepted_answer(request_id: UUID, *, duplicate: bool) -> dict[str, Any]:
    """Of a request that waits for the database."""
    return {
        "request_id": request_id,
        "duplicate": duplicate,
        "communication_id": None,
        "status": ACCEPTED,
        "channel_used": None,
        "scheduled_at": None,
        "sent_at": None,
        "delivered_at": None,
        "error_message": None,
        "communications": [],
        "strategy": None,
        "metadata": {"subject": None, "recipient": None},
    }


class ChannelRuleSerializer(_Answer):
    channel = StrictChoiceField(choices=Channel)
    role = StrictChoiceField(choices=Role)
    content_type = StrictChoiceField(choices=ContentType)
    goes_out = serializers.CharField()


class MessageTypeSerializer(_Answer):
    message_type = StrictChoiceField(choices=MessageType, source="name")
    label = serializers.CharField()  # type: ignore[assignment]  # DRF's base has an attribute of this name
    description = serializers.CharField()
    content_type = StrictChoiceField(choices=ContentType)
    stage = serializers.IntegerField(
        allow_null=True, help_text="Of the plan; such types are sent once per plan."
    )
    urgency = StrictChoiceField(choices=Urgency, help_text="Where the request says nothing.")
    channels = ChannelRuleSerializer(many=True, help_text="Empty: the highest ranked open channel.")
    purpose = StrictChoiceField(choices=Purpose)
    answer = StrictChoiceField(choices=Answer)
    capped = serializers.BooleanField(help_text="Whether it counts for the daily cap.")
    mergeable = serializers.BooleanField(help_text="Whether it may become part of a digest.")
    by_request = serializers.BooleanField(
        help_text="Whether it may be asked for; the others are made here of messages that were."
    )
    expires_after_seconds = serializers.SerializerMethodField()

    def get_expires_after_seconds(self, rule: MessageTypeRule) -> int:
        return int(rule.expires_after.total_seconds())


class MessageTypesSerializer(_Answer):
    message_types = MessageTypeSerializer(many=True)
