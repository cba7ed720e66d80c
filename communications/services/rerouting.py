"""What waits on a channel that its client closed: to the next channel that is open, or cancelled, at once and with the
reason (engine.md §Consent, PRF-2). That nothing leaves meanwhile is the fence's doing, whether or not this has run."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import F

from clients.models import Client
from communications.choices import AttentionKind, Cause, Status
from communications.models import Communication, DeliveryEvent
from communications.rules import reasons
from communications.rules.checks import Refuse
from communications.rules.timing import Due, plan_time
from communications.selectors.sending import SendJob, load_jobs
from communications.services import fallbacks, lifecycle
from communications.services.checking import judge, terms_of
from communications.services.lifecycle import Transition
from communications.services.queue import DISPATCH_TASK
from core import attention
from core.choices import Channel
from core.wake import ring

# What the client closed, or staff or the planner for them. What else is in the way may be mended before it is due.
_CLOSED: Final = frozenset(code.code for code in (reasons.NO_CONSENT, reasons.SUPPRESSED, reasons.NOT_CHOSEN))


def reroute(*, client_ids: Collection[UUID], actor: str, now: datetime) -> int:
    """Returns how many moved or were cancelled. Locks clients, requests, communications, each in id order."""
    with transaction.atomic():
        clients = Client.objects.filter(id__in=client_ids).order_by("id").select_for_update(no_key=True)
        list(clients.values_list("id"))
        # What is held and has a channel left is moved by `replan`, together with its digest.
        waiting = Communication.objects.filter(
            client_id__in=client_ids, status__in=[Status.SCHEDULED, Status.HELD]
        )
        jobs = {job.communication_id: job for job in load_jobs(sorted(waiting.values_list("id", flat=True)))}
        closed = {job_id: reason for job_id, job in jobs.items() if (reason := _closed_because(job, now))}
        if not closed:
            return 0
        chosen = fallbacks.choose(_leaving(closed))
        moved = _move({row: (jobs[row], chosen[row], closed[row]) for row in chosen}, actor, now)
        return moved + _cancel({row: closed[row] for row in closed if row not in chosen}, actor, now)


def _closed_because(job: SendJob, now: datetime) -> str | None:
    verdict = judge(job, now)
    return verdict.reason.code if isinstance(verdict, Refuse) and verdict.reason.code in _CLOSED else None


def _leaving(closed: Collection[UUID]) -> dict[UUID, Mapping[str, Any]]:
    rows = Communication.objects.filter(id__in=closed).values(
        "request_id",
        "client_id",
        "urgency",
        communication_id=F("id"),
        fallbacks=F("request__strategy__fallbacks"),
    )
    return {row["communication_id"]: row for row in rows}


def _move(moves: Mapping[UUID, tuple[SendJob, Channel, str]], actor: str, now: datetime) -> int:
    if not moves:
        return 0
    rows = Communication.objects.filter(id__in=moves, status=Status.SCHEDULED).order_by("id").defer("content")
    changed, events = [], []
    for row in rows.select_for_update(no_key=True):
        job, channel, reason = moves[row.id]
        due = plan_time(terms_of(job.with_row(channel=channel)), now)
        row.channel, row.due_at = channel, due.at if isinstance(due, Due) else now
        row.retry_count = row.put_back_count = 0
        changed.append(row)
        events.append(
            DeliveryEvent(
                communication_id=row.id,
                from_status=Status.SCHEDULED,
                to_status=Status.SCHEDULED,
                cause=Cause.NEXT_CHANNEL,
                reason=reason,
                actor=actor,
                occurred_at=now,
                recorded_at=now,
            )
        )
    Communication.objects.bulk_update(changed, ["channel", "due_at", "retry_count", "put_back_count"])
    DeliveryEvent.objects.bulk_create(events)
    ring(DISPATCH_TASK)
    return len(changed)


def _cancel(closed: Mapping[UUID, str], actor: str, now: datetime) -> int:
    wished = [
        Transition(row, Status.CANCELLED, Cause.REFUSED_BY_CHECK, actor, now, reason=reason)
        for row, reason in closed.items()
    ]
    applied = lifecycle.apply(wished, now=now)
    attention.raise_items(
        [
            attention.Item(
                kind=AttentionKind.NOT_SENT,
                dedupe_key=str(row),
                target=f"communication:{row}",
                details={"reason": closed[row]},
            )
            for row in applied.changed
        ],
        now=now,
    )
    return len(applied.changed)
