"""Sending after all what is over: a new request and communication with the content of the earlier one."""

from datetime import datetime
from uuid import uuid4

from communications.choices import Cause, MessageType, Role, Status
from communications.models import Communication, CommunicationRequest
from communications.rules import reasons
from communications.rules.checks import Refuse
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.reasons import CHANNEL_WORDS, Reason
from communications.rules.strategy import Delivery, Strategy
from communications.rules.timing import Due, Never, expiry, plan_time
from communications.selectors.sending import SendJob, load_jobs
from communications.services import attachments, business_key, lifecycle
from communications.services.checking import judge, terms_of
from communications.services.composing import recompose
from communications.services.queue import DISPATCH_TASK
from core.choices import Channel
from core.errors import Conflict
from core.wake import ring


def send_anew(*, origin: Communication, actor: str, now: datetime) -> Communication:
    """A new request and communication with the origin's content and channel, planned by the rules of now.

    Call it with the client's row locked. Raises Conflict when it could not go out. The earlier request keeps its
    business key if something of it was sent, so a repeat by the planner finds it; else the new one holds it.
    """
    (job,) = load_jobs([origin.id])
    due = planned_anew(job, now)
    if isinstance(due, Reason):
        raise Conflict(due.text, code=due.code)
    strategy = _strategy(origin, due, _asked_for_now(job, now).expires_at)
    request = _copy(origin.request, strategy, actor, now)
    row = Communication(
        id=uuid4(),
        request=request,
        client_id=origin.client_id,
        plan_id=origin.plan_id,
        message_type=origin.message_type,
        channel=origin.channel,
        role=Role.PRIMARY,
        urgency=origin.urgency,
        priority=origin.priority,
        status=Status.SCHEDULED,
        # Times are written in the client's zone of today.
        content=recompose(job) or origin.content,
        metadata=origin.metadata,
        due_at=due.at,
        expires_at=request.expires_at,
        resent_from_id=origin.id,
        created_at=now,
    )
    lifecycle.create(communications=[row], cause=Cause.STAFF_RESEND, actor=actor, now=now)
    if due.at <= now:
        ring(DISPATCH_TASK)
    return row


def planned_anew(job: SendJob, now: datetime) -> Due | Reason:
    """When it would go out if it were asked for now, or why it would not."""
    anew = _asked_for_now(job, now)
    verdict, due = judge(anew, now), plan_time(terms_of(anew), now)
    if isinstance(verdict, Refuse):
        return verdict.reason
    return due.reason if isinstance(due, Never) else due


def _asked_for_now(job: SendJob, now: datetime) -> SendJob:
    expires_at, _ = expiry(
        MESSAGE_TYPES[job.message_type], from_=now, event_date=job.event_date, zone=job.preferences.zone
    )
    return job.with_row(requested_at=now, send_at=None, deliver_by=None, expires_at=expires_at)


def _strategy(origin: Communication, due: Due, expires_at: datetime) -> Strategy:
    channel = Channel(origin.channel)
    return Strategy(
        deliveries=(
            Delivery(
                channel=channel,
                role=Role.PRIMARY,
                send_at=due.at,
                send_before=due.send_before,
                content_type=MESSAGE_TYPES[MessageType(origin.message_type)].content_on(channel),
                priority=origin.priority,
            ),
        ),
        fallbacks=tuple(Channel(name) for name in origin.request.strategy["fallbacks"]),
        reasons=(reasons.SENT_AGAIN.because(channel=CHANNEL_WORDS[channel]), *due.reasons),
        expires_at=expires_at,
    )


def _copy(
    request: CommunicationRequest, strategy: Strategy, actor: str, now: datetime
) -> CommunicationRequest:
    holds_key = business_key.pass_on(request=request)
    copy = CommunicationRequest.objects.create(
        client_id=request.client_id,
        plan_id=request.plan_id,
        message_type=request.message_type,
        urgency=request.urgency,
        preferred_channel=request.preferred_channel,
        context=request.context,
        template_version_id=request.template_version_id,
        strategy=strategy.as_json(),
        business_key=request.business_key,
        holds_key=holds_key,
        attachment_count=request.attachment_count,
        document_pending=request.document_pending,
        expires_at=strategy.expires_at,
        created_by=actor,
        created_at=now,
    )
    if request.attachment_count:
        attachments.copy_to(copy, origin_id=request.id)
    return copy
