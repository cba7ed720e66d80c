"""A request comes in: who it is for, whether it came before, how and when it goes out (ORC-1, ORC-3).

Everything is stored in one transaction under the client's row lock, or nothing is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction

from clients.addresses import normalise_email, normalise_phone
from clients.choices import CONTACT_KIND_OF
from clients.models import Client, Plan
from clients.services.register import ContactDetails, register_client, register_plan
from communications.agents.email import compose_text
from communications.choices import Cause, MessageType, Role, Status, Urgency
from communications.gateway import configured_channels
from communications.models import Communication, CommunicationRequest, TemplateVersion
from communications.rules.context import Context, normalise_context
from communications.rules.facts import ChannelFacts, Facts, PreferenceFacts
from communications.rules.message_types import MESSAGE_TYPES, priority_of
from communications.rules.strategy import Strategy, decide
from communications.selectors.sending import current_contact_points
from communications.services import business_key, idempotency, lifecycle
from communications.services.commands import Idempotency, SubmitCommand
from communications.services.composing import message_facts
from communications.services.templates import check_variables, version_for
from core import audit
from core.choices import Channel
from core.errors import Invalid
from core.sealing import SecretKey, load_keys, seal, unseal
from core.wake import ring
from preferences.rules.consent import open_by_default
from preferences.selectors.effective import EffectivePreferences, effective_preferences
from preferences.services.profile import ensure_profile

DISPATCH_TASK = "communications.dispatch_due"


@dataclass(frozen=True)
class Submitted:
    """`duplicate`: nothing new was made; `request_id` is the first request of its kind."""

    request_id: UUID
    duplicate: bool


@dataclass(frozen=True)
class _Recipient:
    """Everyone and everything a request is about, locked and stored."""

    client: Client
    plan: Plan
    preferences: EffectivePreferences
    key: SecretKey


def submit(
    *, command: SubmitCommand, caller: str, now: datetime, idempotency_key: Idempotency | None = None
) -> Submitted:
    """Accept a request: 0 or 1 new requests, each with its communications, events and reasons.

    Raises Invalid (fields named), Conflict (a plan of another client, a key still running). Two identical calls at
    the same instant make one request: the client's row lock puts them in order.
    """
    context = normalise_context(command.context, plan_reference=command.plan_reference)
    details = _contact_details(command, context)
    version = version_for(command.message_type, Channel.EMAIL)
    with transaction.atomic():
        if idempotency_key is not None:
            first = idempotency.find_first(idempotency=idempotency_key, caller=caller, now=now)
            if first is not None:
                return Submitted(first, duplicate=True)
        recipient = _register(command, context, details, caller, now)
        values = _message_values(context, recipient)
        _require_variables(version, values, command.message_type)
        key = business_key.make(command=command, values=values)
        request_id = business_key.find_holder(
            key=key, client=recipient.client, plan=recipient.plan, message_type=command.message_type, now=now
        )
        duplicate = request_id is not None
        if request_id is None:
            request_id = _create(command, values, version, recipient, key, caller, now)
        if idempotency_key is not None:
            idempotency.remember(idempotency=idempotency_key, caller=caller, request_id=request_id, now=now)
    return Submitted(request_id, duplicate)


def _contact_details(command: SubmitCommand, context: Context) -> ContactDetails:
    """`client` wins over what the context says; both are normalised or refused."""
    email = command.client.email or context.email
    phone = command.client.phone or context.phone
    return ContactDetails(
        name=command.client.name or context.client_name,
        email=normalise_email(email, field="client.email" if command.client.email else "context.client_email")
        if email
        else None,
        phone=normalise_phone(
            phone,
            region=settings.CRM_DEFAULT_REGION,
            field="client.phone" if command.client.phone else "context.client_phone",
        )
        if phone
        else None,
    )


def _register(
    command: SubmitCommand, context: Context, details: ContactDetails, caller: str, now: datetime
) -> _Recipient:
    client = register_client(reference=command.client_reference, details=details, actor=caller, now=now)
    plan = register_plan(
        reference=command.plan_reference,
        client=client,
        event_type=context.event_type,
        event_date=context.event_date,
        now=now,
    )
    ensure_profile(client=client, planner_timezone=command.client.timezone, now=now)
    preferences = effective_preferences([client.id], default_timezone=settings.CRM_DEFAULT_TIMEZONE)
    return _Recipient(
        client, plan, preferences[client.id], load_keys([client.data_key_id])[client.data_key_id]
    )


def _message_values(context: Context, recipient: _Recipient) -> dict[str, Any]:
    """What is stored of a context, and all that templates and the sender draw from, in its stored form.

    What the request leaves out is taken from what is known of the client and the plan.
    """
    plan = recipient.plan
    base = {
        "client_name": context.client_name or recipient.client.name,
        "event_type": context.event_type or unseal(Plan, "event_type", plan.event_type, recipient.key),
        "event_date": plan.event_date.isoformat() if plan.event_date is not None else None,
        "guest_count": context.guest_count,
        "budget": str(context.budget) if context.budget is not None else None,
        "location": context.location,
    }
    return {**context.variables, **{name: value for name, value in base.items() if value is not None}}


def _require_variables(
    version: TemplateVersion | None, values: Mapping[str, Any], message_type: MessageType
) -> None:
    problems = check_variables(version, values, message_type=message_type) if version is not None else []
    if problems:
        raise Invalid(problems)


def _create(  # noqa: PLR0913 - the parts of one new request; an object around them would be used here alone
    command: SubmitCommand,
    values: Mapping[str, Any],
    version: TemplateVersion | None,
    recipient: _Recipient,
    key: str,
    caller: str,
    now: datetime,
) -> UUID:
    urgency = command.urgency or MESSAGE_TYPES[command.message_type].urgency
    strategy = decide(_facts(command, urgency, recipient, now))
    request = CommunicationRequest.objects.create(
        client=recipient.client,
        plan=recipient.plan,
        message_type=command.message_type,
        urgency=urgency,
        preferred_channel=command.preferred_channel or "",
        context=seal(CommunicationRequest, "context", values, recipient.key),
        template_version=version,
        strategy=strategy.as_json(),
        business_key=key,
        send_at=command.send_at,
        deliver_by=command.deliver_by,
        expires_at=strategy.expires_at,
        created_by=caller,
        created_at=now,
    )
    rows = _communications(request, strategy, version, values, recipient)
    lifecycle.create(communications=rows, cause=strategy.refused or Cause.PLANNED, actor=caller, now=now)
    audit.record(
        actor=caller,
        action="communication.requested",
        target=f"request:{request.id}",
        details={"message_type": command.message_type.value, "status": rows[0].status},
        now=now,
    )
    if any(row.due_at is not None and row.due_at <= now for row in rows):
        ring(DISPATCH_TASK)
    return request.id


def _facts(command: SubmitCommand, urgency: Urgency, recipient: _Recipient, now: datetime) -> Facts:
    points = current_contact_points([recipient.client.id])
    configured = configured_channels()
    channels = {}
    for channel in Channel:
        point = points.get((recipient.client.id, CONTACT_KIND_OF[channel]))
        channels[channel] = ChannelFacts(
            has_contact_point=point is not None,
            consent_allowed=open_by_default(channel),
            configured=channel in configured,
            undeliverable=point is not None and point.undeliverable_at is not None,
        )
    preferences = recipient.preferences
    return Facts(
        rule=MESSAGE_TYPES[command.message_type],
        urgency=urgency,
        now=now,
        zone=preferences.zone,
        channels=channels,
        preferences=PreferenceFacts(
            channels=preferences.chosen_channels,
            quiet_hours=preferences.quiet_hours,
            pause_until=preferences.pause_until,
        ),
        zone_defaulted=preferences.zone_is_default,
        preferred_channel=command.preferred_channel,
        send_at=command.send_at,
        deliver_by=command.deliver_by,
        event_date=recipient.plan.event_date,
    )


def _communications(
    request: CommunicationRequest,
    strategy: Strategy,
    version: TemplateVersion | None,
    values: Mapping[str, Any],
    recipient: _Recipient,
) -> Sequence[Communication]:
    """One row per delivery; a request that is not sent has one cancelled row that says so."""
    composed = compose_text(
        version,
        message_facts(
            values,
            message_type=request.message_type,
            plan_reference=recipient.plan.reference,
            zone=recipient.preferences.zone.key,
            requested_at=request.created_at,
        ),
    )
    shared: dict[str, Any] = {
        "request": request,
        "client": recipient.client,
        "plan": recipient.plan,
        "message_type": request.message_type,
        "urgency": request.urgency,
        "expires_at": request.expires_at,
        "created_at": request.created_at,
        "content": seal(
            Communication,
            "content",
            {
                "subject": composed.subject,
                "preview": composed.preview,
                "text": composed.text,
                "degraded": composed.degraded,
            },
            recipient.key,
        ),
        "metadata": {"degraded": composed.degraded} if composed.degraded else {},
    }
    if not strategy.send:
        first = MESSAGE_TYPES[MessageType(request.message_type)].channels
        return [
            Communication(
                **shared,
                id=uuid4(),
                channel=first[0].channel if first else Channel.EMAIL,
                role=Role.PRIMARY,
                priority=priority_of(Urgency(request.urgency)),
                status=Status.CANCELLED,
            )
        ]
    return [
        Communication(
            **shared,
            id=uuid4(),
            channel=delivery.channel,
            role=delivery.role,
            priority=delivery.priority,
            status=Status.SCHEDULED,
            due_at=delivery.send_at,
        )
        for delivery in strategy.deliveries
    ]
