"""What people and programs may still do about a communication: cancel, resend, retry (engine.md §Lifecycle).

Everything happens under the client's row lock and then the communication's, so two who press at once do it once.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from clients.models import Client
from clients.services.gate import bump_gate
from communications.choices import AttentionKind, Cause, MessageType, Status
from communications.models import Communication, CommunicationRequest
from communications.rules import actions as rules
from communications.rules.actions import Action, ActionFacts, Refusal, Way
from communications.rules.checks import Refuse
from communications.rules.reasons import Reason
from communications.rules.stages import is_closed
from communications.selectors.digests import DigestState, digest_states
from communications.selectors.sending import SendJob, load_jobs
from communications.services import business_key, lifecycle
from communications.services.checking import judge
from communications.services.lifecycle import Transition
from communications.services.queue import DISPATCH_TASK
from communications.services.resending import planned_anew, send_anew
from core import attention, audit
from core.errors import Conflict, NotFound
from core.wake import ring

_CAUSES: Final = {Action.RESEND: Cause.STAFF_RESEND, Action.RETRY: Cause.STAFF_RETRY}
_AUDITED: Final = {
    Way.CANCEL: "communication.cancelled",
    Way.ASK_TO_CANCEL: "communication.cancel_requested",
    Way.SEND_ANEW: "communication.resent",
}
_AUDITED_AGAIN: Final = {Action.RESEND: "communication.resent", Action.RETRY: "communication.retried"}


@dataclass(frozen=True)
class Acted:
    """`row` as it is now: the communication that goes on, which is another one when it was sent anew."""

    row: Communication
    way: Way


def act(*, action: Action, communication_id: UUID, actor: str, now: datetime) -> Acted:
    """Carry the action out if it is possible. What is so already changes nothing: cancelling is idempotent.

    Raises NotFound, and Conflict with a sentence that says what is possible instead. What goes back to the queue is
    due at once and checked like everything else before it is sent.
    """
    with transaction.atomic():
        row = _lock(
            communication_id, with_client=action is not Action.CANCEL or _is_of_digest(communication_id)
        )
        way = rules.decide(action, _facts_of([row], action, now)[row.id])
        if isinstance(way, Refusal):
            raise Conflict(way.sentence, code=way.code)
        if way is Way.SEND_ANEW:
            row = send_anew(origin=row, actor=actor, now=now)
            _settle_not_sent(row, now)
            entry = _entry(_AUDITED[way], row, origin=str(communication_id))
            audit.record_many([entry], actor=actor, now=now)
        elif way is Way.SEND_AGAIN:
            put_back(rows=[row], action=action, actor=actor, now=now)
        elif way is not Way.NOTHING:
            _cancel(row, way, actor, now)
        row.refresh_from_db()
    return Acted(row, way)


def possible(*, row: Communication, now: datetime) -> dict[Action, Way]:
    """What may be done about a communication now, and how; without what would change nothing. Reads only."""
    annotated = _annotated(Communication.objects.filter(id=row.id)).get()
    facts = _facts_of([annotated], Action.RESEND, now)[row.id]
    ways = {action: rules.decide(action, facts) for action in Action}
    return {action: way for action, way in ways.items() if isinstance(way, Way) and way is not Way.NOTHING}


def judged(
    *, ids: Collection[UUID], action: Action, now: datetime
) -> list[tuple[Communication, Way | Refusal]]:
    """What the action would do to each, in the order of their ids, with all of them locked.

    Call it in a transaction. A fixed number of queries, whatever their number.
    """
    _lock_owners(ids)
    found = _annotated(Communication.objects.filter(id__in=ids)).order_by("id")
    rows = list(found.select_for_update(of=("self",), no_key=True))
    facts = _facts_of(rows, action, now)
    return [(row, rules.decide(action, facts[row.id])) for row in rows]


def put_back(*, rows: Sequence[Communication], action: Action, actor: str, now: datetime) -> None:
    """Locked rows go back to the queue, due now and with all their tries; audited, and the dispatcher rung."""
    lifecycle.apply(
        (
            Transition(
                communication_id=row.id,
                to=Status.SCHEDULED,
                cause=_CAUSES[action],
                actor=actor,
                at=now,
                changes={
                    "due_at": now,
                    "retry_count": 0,
                    "put_back_count": 0,
                    "call_started_at": None,
                },
            )
            for row in rows
        ),
        now=now,
    )
    business_key.hold_again(request_ids={row.request_id for row in rows})
    entries = [_entry(_AUDITED_AGAIN[action], row) for row in rows]
    audit.record_many(entries, actor=actor, now=now)
    ring(DISPATCH_TASK)


def _is_of_digest(communication_id: UUID) -> bool:
    """Whether it may be on its way in a digest, or is one: the fence, which locks the client, then has to wait."""
    in_digest = Q(digest_id__isnull=False) | Q(message_type=MessageType.DIGEST)
    return Communication.objects.filter(in_digest, id=communication_id).exists()


def _lock(communication_id: UUID, *, with_client: bool) -> Communication:
    if with_client:
        _lock_owners([communication_id])
    found = _annotated(Communication.objects.filter(id=communication_id))
    row: Communication | None = found.select_for_update(of=("self",), no_key=True).first()
    if row is None:
        raise NotFound("There is no communication with this id.", code="communication_not_found")
    return row


def _lock_owners(communication_ids: Collection[UUID]) -> None:
    """As `submit` does: what becomes of a request and whether another one says the same is decided one at a time.
    And as `fallbacks.choose` does: a sibling that goes over to another channel takes it with the request locked."""
    asked = Communication.objects.filter(id__in=communication_ids)
    for owners in (
        Client.objects.filter(id__in=asked.values("client_id")),
        CommunicationRequest.objects.filter(id__in=asked.values("request_id")),
    ):
        list(owners.select_for_update(no_key=True).order_by("id").values_list("id"))


def _annotated(rows: Any) -> Any:
    siblings = Communication.objects.filter(request=OuterRef("request"), channel=OuterRef("channel")).exclude(
        Q(id=OuterRef("id")) | Q(status__in=[Status.FAILED, Status.CANCELLED])
    )
    return rows.select_related("request", "plan").annotate(
        newer_request=business_key.newer_than("request"),
        replaced=business_key.replaced_since("request"),
        resent=Exists(Communication.objects.filter(resent_from=OuterRef("id"))),
        channel_taken=Exists(siblings),
    )


def _facts_of(rows: Sequence[Any], action: Action, now: datetime) -> dict[UUID, ActionFacts]:
    """`rows` come from `_annotated`. To cancel, nothing has to be known but the row."""
    asked = [] if action is Action.CANCEL else [row.id for row in rows]
    jobs = {job.communication_id: job for job in load_jobs(asked)} if asked else {}
    digests = digest_states(rows)
    return {row.id: _facts(row, jobs.get(row.id), now, digest=digests.get(row.digest_id)) for row in rows}


def _facts(row: Any, job: SendJob | None, now: datetime, *, digest: DigestState | None) -> ActionFacts:
    return ActionFacts(
        status=Status(row.status),
        cancel_requested=row.cancel_requested,
        refused=_refusal(job, now) if job else None,
        refused_anew=_refusal_anew(job, now) if job else None,
        newer_request=row.newer_request,
        replaced=row.replaced,
        question_closed=is_closed(MessageType(row.message_type), stage=row.plan.stage),
        resent=row.resent,
        channel_taken=row.channel_taken,
        in_sent_digest=digest is not None and digest.has_begun,
    )


def _refusal(job: SendJob, now: datetime) -> Reason | None:
    verdict = judge(job, now)
    return verdict.reason if isinstance(verdict, Refuse) else None


def _refusal_anew(job: SendJob, now: datetime) -> Reason | None:
    planned = planned_anew(job, now)
    return planned if isinstance(planned, Reason) else None


def _cancel(row: Communication, way: Way, actor: str, now: datetime) -> None:
    """Who cancels a digest does not want its messages to go either."""
    members = Q(digest_id=row.id, status=Status.MERGED)
    if way is Way.ASK_TO_CANCEL:
        Communication.objects.filter(Q(id=row.id) | members).update(cancel_requested=True)
    else:
        ids = [row.id, *Communication.objects.filter(members).values_list("id", flat=True)]
        wishes = [Transition(each, Status.CANCELLED, Cause.CALLER_CANCELLED, actor, now) for each in ids]
        lifecycle.apply(wishes, now=now)
        if row.status == Status.MERGED:
            # What was checked of its digest does not hold any more: without it, it is made anew.
            bump_gate(client_ids=[row.client_id])
    audit.record_many([_entry(_AUDITED[way], row)], actor=actor, now=now)


def _settle_not_sent(row: Communication, now: datetime) -> None:
    for kind in (AttentionKind.NOT_SENT, AttentionKind.DELIVERY_FAILED):
        attention.settle(kind=kind, dedupe_keys=[str(row.resent_from_id)], now=now)


def _entry(action: str, row: Communication, **details: str) -> audit.Entry:
    return audit.Entry(action, f"communication:{row.id}", {"status": row.status, **details})
