"""What waits is planned anew when something about its client changed: for its time, and for whoever looks at it.

That a change is obeyed is the fence's doing, whether or not this has run.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from clients.services.gate import CLIENT_CHANGED
from communications.choices import Cause, Status
from communications.models import Communication, DeliveryEvent
from communications.rules.timing import Due, plan_time
from communications.selectors.sending import SendJob, load_jobs
from communications.services.checking import terms_of
from communications.services.queue import DISPATCH_TASK
from core import clock
from core.outbox import Event, consumer
from core.wake import ring

ACTOR = "system:replan"


def register() -> None:
    consumer("communications.replan", topics={CLIENT_CHANGED})(replan_changed)


def replan_changed(events: Sequence[Event]) -> None:
    replan(client_ids={UUID(event.subject.partition(":")[2]) for event in events}, now=clock.now())


def replan(*, client_ids: Collection[UUID], now: datetime) -> int:
    """Move the due times of waiting communications to where the rules put them now; returns how many moved.

    Left alone: what a worker has claimed (its check sees the change) and what waits for a retry (that time is the
    provider's). What may no longer be sent at all is refused, with its reason, when it is due.
    """
    waiting = Communication.objects.filter(
        client_id__in=client_ids, status=Status.SCHEDULED, retry_count=0, put_back_count=0, due_at__gt=now
    )
    with transaction.atomic():
        locked = waiting.select_for_update(skip_locked=True, no_key=True).order_by("id")
        due_before = dict(locked.values_list("id", "due_at"))
        moved = [
            (job, due)
            for job in load_jobs(list(due_before))
            if isinstance(due := plan_time(terms_of(job), now), Due)
            and due.at != due_before[job.communication_id]
        ]
        _store(moved, now)
    return len(moved)


def _store(moved: Sequence[tuple[SendJob, Due]], now: datetime) -> None:
    Communication.objects.bulk_update(
        [Communication(id=job.communication_id, due_at=due.at) for job, due in moved], ["due_at"]
    )
    DeliveryEvent.objects.bulk_create(
        DeliveryEvent(
            communication_id=job.communication_id,
            from_status=Status.SCHEDULED,
            to_status=Status.SCHEDULED,
            cause=Cause.REPLANNED,
            actor=ACTOR,
            reason=due.reasons[-1].code if due.reasons else "",
            occurred_at=now,
            recorded_at=now,
        )
        for job, due in moved
    )
    if any(due.at <= now for _, due in moved):
        ring(DISPATCH_TASK)
