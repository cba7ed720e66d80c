"""What waits is planned anew when something about its client changed: for its time, and for whoever looks at it.

That a change is obeyed is the fence's doing, whether or not this has run.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from clients.services.gate import CLIENT_CHANGED
from communications.choices import Cause, Status
from communications.models import Communication, DeliveryEvent
from communications.rules.timing import Due, plan_time
from communications.selectors.sending import SendJob, load_jobs
from communications.services.checking import terms_of
from communications.services.composing import recompose
from communications.services.queue import DISPATCH_TASK
from communications.services.rerouting import reroute
from core import clock
from core.outbox import Event, consumer
from core.wake import ring

ACTOR = "system:replan"


def register() -> None:
    consumer("communications.replan", topics={CLIENT_CHANGED})(replan_changed)


def replan_changed(events: Sequence[Event]) -> None:
    client_ids, now = {UUID(event.subject.partition(":")[2]) for event in events}, clock.now()
    reroute(client_ids=client_ids, actor=ACTOR, now=now)
    replan(client_ids=client_ids, now=now)


def replan(*, client_ids: Collection[UUID], now: datetime) -> int:
    """Bring what waits into line with its client's settings: due times, and texts whose times are in another zone.

    Returns how many changed. What a worker has claimed is left alone: its check sees the change. What waits for a
    retry keeps that time. What the client closed was dealt with by `reroute`; what may not be sent for another reason
    is refused, with it, when it is due.
    """
    waiting = Communication.objects.filter(client_id__in=client_ids, status=Status.SCHEDULED)
    with transaction.atomic():
        locked = waiting.select_for_update(skip_locked=True, no_key=True).defer("content").in_bulk()
        changed = [
            row for job in load_jobs(sorted(locked)) if (row := _renewed(job, locked, now)) is not None
        ]
        Communication.objects.bulk_update(changed, ["due_at", "content"])
        DeliveryEvent.objects.bulk_create(_event(row, now) for row in changed)
        if any(row.due_at is not None and row.due_at <= now for row in changed):
            ring(DISPATCH_TASK)
    return len(changed)


def _renewed(job: SendJob, locked: Mapping[UUID, Communication], now: datetime) -> Communication | None:
    """The row with its new time and text, or None: both are right as they are."""
    row = locked[job.communication_id]
    due_at, content = row.due_at, recompose(job)
    if due_at is not None and due_at > now and not (row.retry_count or row.put_back_count):
        due = plan_time(terms_of(job), now)
        due_at = due.at if isinstance(due, Due) else due_at
    if due_at == row.due_at and content is None:
        return None
    row.due_at, row.content = due_at, content or job.row["content"]
    return row


def _event(row: Communication, now: datetime) -> DeliveryEvent:
    return DeliveryEvent(
        communication_id=row.id,
        from_status=Status.SCHEDULED,
        to_status=Status.SCHEDULED,
        cause=Cause.REPLANNED,
        actor=ACTOR,
        occurred_at=now,
        recorded_at=now,
    )
