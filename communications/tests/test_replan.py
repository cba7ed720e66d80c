"""What waits follows its client's settings (engine.md §Time)."""

from dataclasses import replace
from datetime import datetime

import pytest

from communications.choices import Cause, Status, Urgency
from communications.models import Communication
from communications.selectors.sending import load_jobs
from communications.services.commands import ClientData, SubmitCommand
from communications.services.replan import replan
from communications.services.submit import submit
from communications.tests.factories import a_command
from core import clock
from core.outbox import consume_all
from core.tests.races import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("smtp", "templates")]

NIGHT_IN_KOLKATA = datetime.fromisoformat("2026-03-03T23:30:00+05:30")


def waiting(command: SubmitCommand, *, now: datetime = NIGHT_IN_KOLKATA) -> Communication:
    submitted = submit(command=command, caller="service:planner", now=now)
    return Communication.objects.get(request_id=submitted.request_id)


def test_a_new_timezone_moves_what_waits_and_says_so() -> None:
    """PRF-4: 23:30 in Kolkata is 13:00 in New York, where nothing has to wait."""
    command = a_command(urgency=Urgency.NORMAL)
    row = waiting(command)
    assert row.due_at == datetime.fromisoformat("2026-03-04T09:00:00+05:30")
    waiting(replace(command, client=ClientData(timezone="America/New_York")))
    assert replan(client_ids=[row.client_id], now=NIGHT_IN_KOLKATA) == 1
    row.refresh_from_db()
    assert (row.status, row.due_at) == (Status.SCHEDULED, NIGHT_IN_KOLKATA)
    assert row.events.order_by("id").last().cause == Cause.REPLANNED
    assert replan(client_ids=[row.client_id], now=NIGHT_IN_KOLKATA) == 0


def test_the_text_follows_the_zone_that_its_times_are_written_in() -> None:
    command = a_command(urgency=Urgency.NORMAL)
    row = waiting(command)
    assert "(Asia/Kolkata)" in text_of(row)
    waiting(replace(command, client=ClientData(timezone="America/New_York")))
    replan(client_ids=[row.client_id], now=NIGHT_IN_KOLKATA)
    assert "(America/New_York)" in text_of(row)
    assert "(Asia/Kolkata)" not in text_of(row)


def text_of(row: Communication) -> str:
    (job,) = load_jobs([row.id])
    return job.content()["text"]


def test_the_change_reaches_the_queue_through_the_outbox() -> None:
    """Messages of low urgency go out at 10:00 local time, which two zones never share."""
    command = a_command(urgency=Urgency.LOW)
    row = waiting(command, now=clock.now())
    waiting(replace(command, client=ClientData(timezone="Europe/Rome")), now=clock.now())
    # The outbox waits for older transactions of the whole server to end, also for those of other tests.
    wait_until(lambda: consume_all(clock.now()))
    assert row.events.filter(cause=Cause.REPLANNED).count() == 1


def test_a_retry_keeps_its_time() -> None:
    command = a_command(urgency=Urgency.NORMAL)
    row = waiting(command)
    Communication.objects.filter(id=row.id).update(retry_count=1)
    waiting(replace(command, client=ClientData(timezone="America/New_York")))
    replan(client_ids=[row.client_id], now=NIGHT_IN_KOLKATA)
    due_at = row.due_at
    row.refresh_from_db()
    assert row.due_at == due_at
