"""A request comes in: who it is for, whether it came before, how and when it goes out (ORC-1, ORC-3).

Everything is stored in one transaction under the client's row lock, or nothing is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from communications.agents.email import ComposedText, compose_text
from communications.choices import AttentionKind, Cause, MessageType, Role, Status, Urgency
from communications.models import Communication, CommunicationRequest, TemplateVersion
from communications.rules.context import normalise_context
from communications.rules.message_types import MESSAGE_TYPES, priority_of
from communications.rules.strategy import Strategy, decide
from communications.services import business_key, idempotency, lifecycle
from communications.services.commands import Idempotency, SubmitCommand
from communications.services.composing import message_facts, seal_content
from communications.services.queue import DISPATCH_TASK
from communications.services.recipient import (
    Recipient,
    contact_details,
    message_values,
    register,
    strategy_facts,
)
from communications.services.templates import check_variables, version_for
from core import attention, audit
from core.choices import Channel
from core.errors import Invalid
from core.sealing import seal
from core.wake import ring


@dataclass(frozen=True)
class Submitted:
    """`duplicate`: nothing new was made; `request_id` is the first request of its kind."""

    request_id: UUID
    duplicate: bool


@dataclass(frozen=True)
class _Message:
    """What is to be said: the pinned template version (None: there is none) and the values that fill it."""

    version: TemplateVersion | None
    values: Mapping[str, Any]


def submit(
    *,
    command: SubmitCommand,
    caller: str,
    now: datetime,
    idempotency_key: Idempotency | None = None,
    request_id: UUID | None = None,
) -> Submitted:
    """Accept a request: 0 or 1 new requests, each with its communications, events and reasons.

    A new request gets `request_id` if one is given; it must be an id that no request has.
    Raises Invalid (fields named) and Conflict (a plan of another client, a key still running, an erased client).
    Two identical calls at the same instant make one request: the client's row lock puts them in order.
    """
    context = normalise_context(command.context, plan_reference=command.plan_reference)
    details = contact_details(command, context)
    version = version_for(command.message_type, Channel.EMAIL)
    with transaction.atomic():
        if idempotency_key is not None:
            first = idempotency.find_first(idempotency=idempotency_key, caller=caller, now=now)
            if first is not None:
                return Submitted(first, duplicate=True)
        recipient = register(command=command, context=context, details=details, caller=caller, now=now)
        message = _Message(version, message_values(context, recipient))
        _require_variables(message, command.message_type)
        key = business_key.make(command=command, context=context)
        holder = business_key.find_holder(
            key=key, client=recipient.client, plan=recipient.plan, message_type=command.message_type, now=now
        )
        stored_as = holder or _create(command, message, recipient, key, caller, now, request_id or uuid4())
        if idempotency_key is not None:
            idempotency.remember(idempotency=idempotency_key, caller=caller, request_id=stored_as, now=now)
    return Submitted(stored_as, duplicate=holder is not None)


def _require_variables(message: _Message, message_type: MessageType) -> None:
    if message.version is None:
        return
    problems = check_variables(message.version, message.values, message_type=message_type)
    if problems:
        raise Invalid(problems)


def _create(  # noqa: PLR0913 - each is a fact of its own
    command: SubmitCommand,
    message: _Message,
    recipient: Recipient,
    key: str,
    caller: str,
    now: datetime,
    request_id: UUID,
) -> UUID:
    urgency = command.urgency or MESSAGE_TYPES[command.message_type].urgency
    strategy = decide(strategy_facts(command, urgency, recipient, now))
    request = CommunicationRequest.objects.create(
        id=request_id,
        client=recipient.client,
        plan=recipient.plan,
        message_type=command.message_type,
        urgency=urgency,
        preferred_channel=command.preferred_channel or "",
        context=seal(CommunicationRequest, "context", message.values, recipient.key),
        template_version=message.version,
        strategy=strategy.as_json(),
        business_key=key,
        send_at=command.send_at,
        deliver_by=command.deliver_by,
        expires_at=strategy.expires_at,
        created_by=caller,
        created_at=now,
    )
    rows = _communications(request, strategy, _compose(request, message, recipient), recipient)
    lifecycle.create(communications=rows, cause=strategy.refused or Cause.PLANNED, actor=caller, now=now)
    audit.record(
        actor=caller,
        action="communication.requested",
        target=f"request:{request.id}",
        details={"message_type": command.message_type.value, "status": rows[0].status},
        now=now,
    )
    if strategy.refused is not None:
        attention.raise_item(
            kind=AttentionKind.NOT_SENT,
            dedupe_key=str(rows[0].id),
            target=f"communication:{rows[0].id}",
            details={"reason": strategy.reasons[0].code},
            now=now,
        )
    if any(row.due_at is not None and row.due_at <= now for row in rows):
        ring(DISPATCH_TASK)
    return request.id


def _compose(request: CommunicationRequest, message: _Message, recipient: Recipient) -> ComposedText:
    facts = message_facts(
        message.values,
        message_type=request.message_type,
        plan_reference=recipient.plan.reference,
        zone=recipient.preferences.zone.key,
        requested_at=request.created_at,
    )
    return compose_text(message.version, facts)


def _communications(
    request: CommunicationRequest, strategy: Strategy, composed: ComposedText, recipient: Recipient
) -> list[Communication]:
    """One row per delivery; a request that is not sent has one cancelled row that says so."""
    shared: dict[str, Any] = {
        "request": request,
        "client": recipient.client,
        "plan": recipient.plan,
        "message_type": request.message_type,
        "urgency": request.urgency,
        "priority": priority_of(Urgency(request.urgency)),
        "expires_at": request.expires_at,
        "created_at": request.created_at,
        "content": seal_content(composed, recipient.preferences.zone.key, recipient.key),
        "metadata": {"degraded": composed.degraded} if composed.degraded else {},
    }
    if not strategy.send:
        usual = MESSAGE_TYPES[MessageType(request.message_type)].channels
        channel = usual[0].channel if usual else Channel.EMAIL
        return [
            Communication(**shared, id=uuid4(), channel=channel, role=Role.PRIMARY, status=Status.CANCELLED)
        ]
    return [
        Communication(
            **shared,
            id=uuid4(),
            channel=delivery.channel,
            role=delivery.role,
            status=Status.SCHEDULED,
            due_at=delivery.send_at,
        )
        for delivery in strategy.deliveries
    ]
