"""The steps of dispatch one by one, for tests that have to stand between two of them."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db.models import QuerySet

from communications.choices import OutcomeClass, Status
from communications.models import Communication, QueueEntry, QueueLease
from communications.selectors.sending import load_jobs
from communications.services.checking import check_jobs
from communications.services.group_moves import PlannedCall, begin_calls
from communications.services.journal import JournalLine
from communications.services.queue import claim_due
from communications.tests.factories import a_communication
from core import clock


def due_again(row: Communication) -> None:
    """As if the waiting time had passed."""
    Communication.objects.filter(id=row.id, status=Status.SCHEDULED).update(due_at=clock.now())


def lapse(row: Communication) -> None:
    """As if the lease had run out, its worker gone."""
    lease_of(row).update(expires_at=clock.now() - timedelta(seconds=1))


def lease_of(row: Communication) -> QuerySet[QueueLease]:
    """Of the worker that holds the row; none while nobody does."""
    return QueueLease.objects.filter(
        token__in=QueueEntry.objects.filter(communication=row).values("lease_token")
    )


def story(row: Communication) -> list[str]:
    return list(row.events.order_by("id").values_list("cause", flat=True))


def claimed_and_checked() -> tuple[Any, list[Any]]:
    claim = claim_due(limit=10, offset=clock.offset(), worker="worker:a")
    assert claim is not None
    cleared = check_jobs(
        jobs=load_jobs(claim.ids), lease_token=claim.lease_token, actor="worker:a", now=clock.now()
    )
    return claim, cleared


def fence(claim: Any, cleared: list[Any]) -> dict[Any, int]:
    return begin_calls(
        [
            PlannedCall(
                communication_id=item.job.communication_id,
                client_id=item.job.client_id,
                lease_token=claim.lease_token,
                gate_version=item.job.row["gate_version"],
                sending_version=item.sending_version,
                send_before=item.send_before - clock.offset(),
                attempt_id=uuid4(),
                contact_point_id=item.contact_point.id,
                message_id="<x@planiva.example>",
                channel="email",
                provider="smtp",
            )
            for item in cleared
        ],
        actor="worker:a",
        offset=clock.offset(),
    )


def ask_to_cancel(row: Communication) -> None:
    Communication.objects.filter(id=row.id).update(cancel_requested=True)


def a_fenced_call() -> tuple[Communication, JournalLine]:
    row = a_communication()
    claim, cleared = claimed_and_checked()
    ((attempt_id, number),) = fence(claim, cleared).items()
    line = JournalLine(
        communication_id=row.id,
        attempt_id=attempt_id,
        attempt_number=number,
        outcome_class=OutcomeClass.ACCEPTED,
        code="250 2.0.0",
        provider_message_id=attempt_id.hex,
        retry_after_seconds=None,
        at=clock.now(),
    )
    return row, line
