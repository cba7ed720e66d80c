"""What waits follows its client's settings (engine.md §Time)."""

from dataclasses import replace
from datetime import datetime, time
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from clients.models import Plan
from clients.services.gate import CLIENT_CHANGED
from communications.choices import Cause, MessageType, Status, Urgency
from communications.models import Communication
from communications.rules.checks import Refuse
from communications.selectors.sending import load_jobs
from communications.services.checking import judge
from communications.services.commands import ClientData, SubmitCommand
from communications.services.replan import replan, replan_changed
from communications.services.submit import submit
from communications.tests.factories import a_command
from core import clock
from core.outbox import Event, consume_all
from core.tests.races import wait_until
from preferences.choices import Frequency
from preferences.models import ClientPreferences

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


def settings_of(row: Communication, **values: object) -> None:
    ClientPreferences.objects.filter(client_id=row.client_id).update(**values)


def replanned(row: Communication, *, now: datetime = NIGHT_IN_KOLKATA) -> Communication:
    replan(client_ids=[row.client_id], now=now)
    return Communication.objects.get(id=row.id)


def local(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-{text}:00+05:30")


def news(message: str, like: SubmitCommand | None = None, **values: Any) -> SubmitCommand:
    same = (
        {}
        if like is None
        else {"client_reference": like.client_reference, "plan_reference": like.plan_reference}
    )
    context = {} if like is None else like.context
    defaults = {"message_type": MessageType.CUSTOM, "urgency": Urgency.NORMAL}
    return a_command(**(defaults | same | values), context={**context, "message": message})


@pytest.mark.parametrize(
    ("changes", "due", "reason"),
    [
        ({"quiet_hours_start": time(8), "quiet_hours_end": time(15)}, "04T15:00", "quiet_hours"),
        ({"pause_until": local("06T12:00")}, "06T12:00", "paused"),
    ],
)
def test_preferences_move_what_waits_and_say_why(changes: dict[str, Any], due: str, reason: str) -> None:
    """PRF-2: the event and the page tell the reason; what was decided at first stays as it was."""
    row = waiting(a_command(urgency=Urgency.NORMAL))
    settings_of(row, **changes)
    moved = replanned(row)
    assert moved.due_at == local(due)
    assert moved.events.latest("id").reason == reason
    assert moved.metadata["planned_anew"]["reasons"][0]["code"] == reason
    assert moved.request.strategy == row.request.strategy


def test_who_wants_less_gets_it_in_a_digest_and_who_wants_it_at_once_gets_it_out() -> None:
    row = waiting(news("A", message_type=MessageType.TASK_UPDATE))
    assert (row.status, row.batch_key) == (Status.SCHEDULED, "")
    settings_of(row, frequency=Frequency.WEEKLY)
    row = replanned(row)
    assert (row.status, row.batch_key, row.due_at) == (
        Status.HELD,
        "email:service:2026-03-09",
        local("09T10:00"),
    )
    assert row.events.latest("id").cause == Cause.PREFERS_DIGEST
    settings_of(row, frequency=Frequency.DAILY)
    row = replanned(row)
    assert (row.status, row.batch_key, row.due_at) == (
        Status.HELD,
        "email:service:2026-03-04",
        local("04T10:00"),
    )
    settings_of(row, frequency=Frequency.AT_ONCE)
    row = replanned(row)
    assert (row.status, row.batch_key, row.due_at) == (Status.SCHEDULED, "", local("04T09:00"))
    assert row.events.latest("id").cause == Cause.PREFERS_AT_ONCE


def test_a_channel_that_is_not_open_any_more_gives_way_to_one_that_is() -> None:
    """It was held for SMS, which nobody has set up here any more."""
    row = waiting(news("A", urgency=Urgency.LOW))
    Communication.objects.filter(id=row.id).update(channel="sms")
    row = replanned(row)
    assert (row.status, row.channel, row.due_at) == (Status.HELD, "email", local("04T10:00"))
    assert row.events.latest("id").reason == "moved_channel"


def test_what_is_held_on_a_channel_that_its_client_closes_is_cancelled_at_once() -> None:
    row = waiting(news("A", urgency=Urgency.LOW))
    settings_of(row, preferred_channels=["sms"])
    replan_changed([Event(1, CLIENT_CHANGED, f"client:{row.client_id}", {}, NIGHT_IN_KOLKATA)])
    row.refresh_from_db()
    assert (row.status, row.events.latest("id").reason) == (Status.CANCELLED, "not_chosen")


def test_no_other_channel_leaves_it_to_the_check_to_say_why() -> None:
    row = waiting(news("A"))
    settings_of(row, preferred_channels=["sms"])
    assert replanned(row).due_at == row.due_at


def test_planning_anew_counts_for_the_cap(settings: Settings) -> None:
    settings.CRM_DAILY_CAP = "1"
    first = news("A")
    rows = [waiting(first), waiting(news("B", first)), waiting(news("C", first))]
    assert [row.due_at for row in rows] == [local("04T09:00"), local("05T09:00"), local("06T09:00")]
    settings_of(rows[0], quiet_hours_start=time(21), quiet_hours_end=time(11))
    replan(client_ids=[rows[0].client_id], now=NIGHT_IN_KOLKATA)
    rows = [Communication.objects.get(id=row.id) for row in rows]
    assert [row.due_at for row in rows] == [local("04T11:00"), local("05T11:00"), local("06T11:00")]


def test_an_event_that_comes_earlier_stops_what_would_come_after_it(smtp: object) -> None:
    row = waiting(a_command(urgency=Urgency.NORMAL, send_at=local("06T12:00")))
    Plan.objects.filter(id=row.plan_id).update(event_date="2026-03-04")
    assert replanned(row).due_at == row.due_at
    (job,) = load_jobs([row.id])
    verdict = judge(job, local("06T12:00"))
    assert isinstance(verdict, Refuse)
    assert verdict.reason.code == "event_passed"


def test_what_waits_for_a_pause_keeps_waiting_for_it() -> None:
    row = waiting(a_command(urgency=Urgency.NORMAL))
    Communication.objects.filter(id=row.id).update(waits_for="pause:x", due_at=local("09T00:00"))
    settings_of(row, quiet_hours_start=time(8), quiet_hours_end=time(15))
    assert replanned(row).due_at == local("09T00:00")


def test_a_fixed_number_of_statements() -> None:
    counts = []
    for size in (1, 15):
        rows = [waiting(news("A")) for _ in range(size)]
        ClientPreferences.objects.update(quiet_hours_start=time(8), quiet_hours_end=time(15))
        with CaptureQueriesContext(connection) as queries:
            assert replan(client_ids={row.client_id for row in rows}, now=NIGHT_IN_KOLKATA) == size
        counts.append(len(queries))
    assert counts[0] == counts[1]
