"""Digests: what is held is brought together when its time has come (STR-4; engine.md §Batching).

A client's row is locked while its digests are made, and what they are made of is checked like everything else before
it is sent. A digest is a communication of its own; its members stay what they are and show how it stands.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from django.db import connection, transaction

from clients.models import Client
from communications.choices import Cause, ContentType, MessageType, PauseScope, Role, Status
from communications.models import Communication, CommunicationRequest, DeliveryEvent, TemplateVersion
from communications.rules import reasons
from communications.rules.checks import Go, NotNow, Refuse
from communications.rules.digest import MemberTerms, digest_items, portions, terms_of_all
from communications.rules.message_types import priority_of
from communications.rules.strategy import Delivery, Strategy
from communications.selectors.pauses import read_sending_gate
from communications.selectors.sending import SendJob, load_jobs
from communications.services import lifecycle
from communications.services.checking import judge, show_refusals
from communications.services.composing import compose_for, message_facts, seal_content
from communications.services.dissolving import ACTOR, RELEASE_TASK, free_members
from communications.services.lifecycle import Transition
from communications.services.queue import DISPATCH_TASK
from communications.services.templates import versions_for
from core.choices import Channel
from core.copying import copy_in
from core.sealing import seal
from core.wake import ring

_CLIENTS_AT_ONCE: Final = 50
_LOOKED_AT: Final = 500
# A pause of one plan or type has no end that is known: the message is looked at again.
_LOOK_AGAIN_AFTER: Final = timedelta(minutes=15)
# The digest itself waits for the end of these, and its members with it.
_HOLD_THE_DIGEST: Final = frozenset({PauseScope.EVERYTHING, PauseScope.CHANNEL})


def release_digests(*, now: datetime, seconds: float = 4.0) -> int:
    """Bring together what is held and due; returns how many messages were released. What is left after `seconds` is
    rung for again. Any number may run at once: each skips the clients of the others."""
    until = time.monotonic() + seconds
    free_members(now=now)
    released = 0
    while time.monotonic() < until:
        count = _release_some(now)
        if not count:
            return released
        released += count
    ring(RELEASE_TASK)
    return released


def _release_some(now: datetime) -> int:
    """Those of some clients, in one transaction; 0 when nothing is due, or others are at it."""
    with transaction.atomic():
        clients = _lock_clients(_due_clients(now))
        jobs = load_jobs(_lock_due(clients, now)) if clients else []
        if not jobs:
            return 0
        kept = _checked(jobs, now)
        merged, alone = _divided(kept)
        changed = lifecycle.apply([*_merges(merged, now), *_lets_go(alone, now)], now=now).changed
        _make_digests(merged, changed.keys(), now)
        if changed:
            ring(DISPATCH_TASK)
    return len(jobs)


def _due_clients(now: datetime) -> list[UUID]:
    due = Communication.objects.filter(status=Status.HELD, due_at__lte=now).order_by("due_at")
    return list(dict.fromkeys(due.values_list("client_id", flat=True)[:_LOOKED_AT]))[:_CLIENTS_AT_ONCE]


def _lock_clients(client_ids: Sequence[UUID]) -> list[UUID]:
    """The lock on client and channel: whoever else would release, cancel or plan anew for them waits or passes by."""
    if not client_ids:
        return []
    rows = Client.objects.filter(id__in=client_ids).order_by("id")
    return list(rows.select_for_update(skip_locked=True, no_key=True).values_list("id", flat=True))


def _lock_due(client_ids: Sequence[UUID], now: datetime) -> list[UUID]:
    """What is due of them, in the order in which it was asked for."""
    due = Communication.objects.filter(client_id__in=client_ids, status=Status.HELD, due_at__lte=now)
    rows = due.order_by("id").select_for_update(no_key=True).values_list("id", "created_at")
    return [row for row, _ in sorted(rows, key=lambda row: (row[1], row[0]))]


def _checked(jobs: Sequence[SendJob], now: datetime) -> list[SendJob]:
    """The check before sending, message by message: those that may go. The others are cancelled or wait on, each with
    its reason."""
    pauses = [pause for pause in read_sending_gate().pauses if pause.scope not in _HOLD_THE_DIGEST]
    kept, refused, waiting = [], [], []
    for job in jobs:
        verdict = judge(job, now, pauses=pauses)
        if isinstance(verdict, Go):
            kept.append(job)
        elif isinstance(verdict, Refuse):
            refused.append(_refusal(job, verdict, now))
        else:
            waiting.append((job, verdict))
    show_refusals(refused, lifecycle.apply(refused, now=now), now)
    _wait_on(waiting, now)
    return kept


def _refusal(job: SendJob, verdict: Refuse, now: datetime) -> Transition:
    return Transition(
        job.communication_id,
        Status.CANCELLED,
        # Cancelled in time is what a worker's row becomes; this one was never claimed.
        Cause.CALLER_CANCELLED if verdict.cause is Cause.CANCEL_REQUESTED else verdict.cause,
        ACTOR,
        now,
        reason=verdict.reason.code,
    )


def _wait_on(waiting: Sequence[tuple[SendJob, NotNow]], now: datetime) -> None:
    """Held until later: the status stays, the time moves and the event says why."""
    sql = """
        UPDATE crm_communications SET due_at = later.due_at
          FROM unnest(%s::uuid[], %s::timestamptz[]) AS later(id, due_at) WHERE crm_communications.id = later.id
    """
    if not waiting:
        return
    with connection.cursor() as cursor:
        ids = [job.communication_id for job, _ in waiting]
        cursor.execute(sql, [ids, [_again_at(verdict, now) for _, verdict in waiting]])
    DeliveryEvent.objects.bulk_create(
        DeliveryEvent(
            communication_id=job.communication_id,
            from_status=Status.HELD,
            to_status=Status.HELD,
            cause=Cause.NOT_NOW,
            actor=ACTOR,
            reason=verdict.reasons[0].code if verdict.reasons else "",
            occurred_at=now,
            recorded_at=now,
        )
        for job, verdict in waiting
    )


def _again_at(verdict: NotNow, now: datetime) -> datetime:
    return verdict.due_at if verdict.pause is None else min(verdict.due_at, now + _LOOK_AGAIN_AFTER)


@dataclass(frozen=True)
class _Digest:
    """One digest to make; `id` is that of its communication."""

    id: UUID
    jobs: Sequence[SendJob]


def _divided(jobs: Sequence[SendJob]) -> tuple[list[_Digest], list[SendJob]]:
    """The digests to make: one client, one channel, one purpose each. What would be alone in one goes by itself."""
    together: dict[tuple[UUID, Channel, str], list[SendJob]] = defaultdict(list)
    for job in jobs:
        purpose = job.row["batch_key"].split(":")[1]
        together[job.client_id, job.channel, purpose].append(job)
    every = [portion for group in together.values() for portion in portions(group)]
    merged = [_Digest(uuid4(), portion) for portion in every if len(portion) > 1]
    return merged, [portion[0] for portion in every if len(portion) == 1]


def _merges(digests: Iterable[_Digest], now: datetime) -> Iterable[Transition]:
    for digest in digests:
        for job in digest.jobs:
            yield Transition(
                job.communication_id,
                Status.MERGED,
                Cause.DIGEST_MADE,
                ACTOR,
                now,
                changes={"digest_id": digest.id},
            )


def _lets_go(jobs: Iterable[SendJob], now: datetime) -> Iterable[Transition]:
    for job in jobs:
        yield Transition(
            job.communication_id,
            Status.SCHEDULED,
            Cause.DIGEST_OF_ONE,
            ACTOR,
            now,
            changes={"due_at": now, "batch_key": ""},
        )


def _make_digests(digests: Sequence[_Digest], changed: Iterable[UUID], now: datetime) -> None:
    """Each is made of the rows that became its members, after they did."""
    if not digests:
        return
    members = set(changed)
    versions = versions_for({MessageType.DIGEST}, Channel.EMAIL)
    made = []
    for digest in digests:
        jobs = [job for job in digest.jobs if job.communication_id in members]
        made.append(_made_of(jobs, digest.id, versions.get(MessageType.DIGEST), now))
    copy_in(CommunicationRequest, (vars(request) for request, _ in made))
    lifecycle.create(communications=[row for _, row in made], cause=Cause.PLANNED, actor=ACTOR, now=now)


def _made_of(
    jobs: Sequence[SendJob], digest_id: UUID, version: TemplateVersion | None, now: datetime
) -> tuple[CommunicationRequest, Communication]:
    first, terms = jobs[0], terms_of_all([_member_terms(job) for job in jobs])
    zone, key = first.preferences.zone.key, first.key
    if key is None:
        raise ValueError("An erased client's message passed the check.")
    values = _values(jobs)
    facts = message_facts(
        values,
        message_type=MessageType.DIGEST,
        plan_reference=first.row["plan_reference"],
        zone=zone,
        requested_at=now,
    )
    composed = compose_for(first.channel, version, facts)
    shared: dict[str, Any] = {
        "client_id": first.client_id,
        "plan_id": first.row["plan_id"],
        "message_type": MessageType.DIGEST,
        "urgency": terms.urgency,
        "expires_at": terms.expires_at,
        "created_at": now,
    }
    request = CommunicationRequest(
        **shared,
        context=seal(CommunicationRequest, "context", values, key),
        template_version_id=version.id if version else None,
        strategy=_strategy(first.channel, terms, len(jobs), now).as_json(),
        business_key=f"digest:{digest_id.hex}",
        holds_key=False,
        deliver_by=terms.deliver_by,
        created_by=ACTOR,
    )
    row = Communication(
        **shared,
        id=digest_id,
        request_id=request.id,
        channel=first.channel,
        role=Role.PRIMARY,
        priority=priority_of(terms.urgency),
        status=Status.SCHEDULED,
        content=seal_content(composed, zone, key, first.channel),
        metadata={"degraded": composed.degraded} if composed.degraded else {},
        due_at=now,
    )
    return request, row


def _member_terms(job: SendJob) -> MemberTerms:
    return MemberTerms(job.urgency, job.expires_at, job.row["deliver_by"])


def _values(jobs: Sequence[SendJob]) -> Mapping[str, Any]:
    """What the digest's template draws from: the messages, and what the newest of them knows of client and event."""
    newest = jobs[-1].context()
    known = {name: newest[name] for name in ("client_name", "event_type", "event_date") if newest.get(name)}
    return {**known, "items": digest_items([job.content() for job in jobs])}


def _strategy(channel: Channel, terms: MemberTerms, count: int, now: datetime) -> Strategy:
    ends = terms.expires_at if terms.deliver_by is None else min(terms.expires_at, terms.deliver_by)
    return Strategy(
        deliveries=(
            Delivery(channel, Role.PRIMARY, now, ends, ContentType.SHORT, priority_of(terms.urgency)),
        ),
        fallbacks=(),
        reasons=(reasons.BRINGS_TOGETHER.because(count=str(count)),),
        expires_at=terms.expires_at,
    )
