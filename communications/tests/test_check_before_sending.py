"""The check before sending on what the tables hold: each refusal with its reason (engine.md §Delivery)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from clients.models import Client, ContactPoint, Plan
from communications.choices import Cause, MessageType, Status, Urgency
from communications.models import Communication, CommunicationRequest
from communications.services.dispatch import dispatch_due
from communications.services.submit import submit
from communications.tests.factories import a_command, a_communication, combinations, lead_to, selected
from communications.tests.steps import due_again, story
from core import clock
from core.models import AttentionItem
from core.sealing import destroy_key
from preferences.models import ClientPreferences
from sandbox.testing import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]

MORNING = datetime.fromisoformat("2030-11-20T09:30:00+05:30")


@pytest.fixture(autouse=True)
def morning(smtp: Sandbox) -> None:
    clock.move_to(MORNING)


def no_address(row: Communication) -> None:
    ContactPoint.objects.update(replaced_at=clock.now())


def dead_address(row: Communication) -> None:
    ContactPoint.objects.update(undeliverable_at=clock.now())


def erased(row: Communication) -> None:
    destroy_key(row.client.data_key_id, now=clock.now())


def plan_cancelled(row: Communication) -> None:
    Plan.objects.update(cancelled_at=clock.now())


def other_channels_chosen(row: Communication) -> None:
    ClientPreferences.objects.update(preferred_channels=["sms"])


def too_old(row: Communication) -> None:
    Communication.objects.update(expires_at=clock.now())


def event_over(row: Communication) -> None:
    Plan.objects.update(event_date="2030-11-19")


def deadline_over(row: Communication) -> None:
    CommunicationRequest.objects.update(deliver_by=clock.now())


@pytest.mark.parametrize(
    ("spoil", "reason", "shown"),
    [
        (no_address, "no_contact_point", True),
        (dead_address, "undeliverable", True),
        (erased, "erased", False),
        (plan_cancelled, "plan_cancelled", False),
        (other_channels_chosen, "not_chosen", True),
        (too_old, "expired", True),
        (event_over, "event_passed", False),
        (deadline_over, "cannot_meet_deadline", True),
    ],
)
def test_each_refusal_has_its_reason(
    smtp: Sandbox, spoil: Callable[[Communication], None], reason: str, shown: bool
) -> None:
    row = a_communication(urgency=Urgency.NORMAL)
    spoil(row)
    dispatch_due()
    row.refresh_from_db()
    assert row.status == Status.CANCELLED
    event = row.events.latest("id")
    assert (event.cause, event.reason) == (Cause.REFUSED_BY_CHECK, reason)
    assert AttentionItem.objects.filter(kind="not_sent").exists() is shown
    assert smtp.messages() == []


def test_a_critical_message_uses_a_channel_that_was_not_chosen(smtp: Sandbox) -> None:
    row = a_communication()
    other_channels_chosen(row)
    dispatch_due()
    assert len(smtp.messages()) == 1


def test_a_channel_that_closed_since_gives_way_to_the_next(smtp: Sandbox) -> None:
    """It was planned by SMS with e-mail standing by; the number is gone when its time comes."""
    row = a_communication(urgency=Urgency.NORMAL)
    Communication.objects.filter(id=row.id).update(channel="sms")
    CommunicationRequest.objects.filter(id=row.request_id).update(strategy={"fallbacks": ["email"]})
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, row.channel) == (Status.SENT, "email")
    moved = row.events.get(cause=Cause.NEXT_CHANNEL)
    assert (moved.reason, moved.to_status) == ("no_contact_point", Status.SCHEDULED)
    assert not AttentionItem.objects.exists()
    assert len(smtp.messages()) == 1


def like(row: Communication, **values: Any) -> Communication:
    """A later request of the same client and plan."""
    submitted = submit(
        command=a_command(client_reference=row.client.reference, plan_reference=row.plan.reference, **values),
        caller="service:planner",
        now=clock.now(),
    )
    return Communication.objects.get(request_id=submitted.request_id)


def options(name: str) -> dict[str, Any]:
    return {
        "message_type": MessageType.VENDOR_OPTIONS,
        "context": combinations(name),
    }


def in_doubt_then_back(row: Communication) -> None:
    """It was called once, and turns out not to have arrived."""
    lead_to(row, Status.IN_DOUBT)
    Communication.objects.filter(id=row.id).update(attempt_count=1)
    row.refresh_from_db()


def test_what_was_replaced_while_nobody_knew_whether_it_arrived_does_not_go_again(smtp: Sandbox) -> None:
    row = a_communication(**options("old"))
    in_doubt_then_back(row)
    newer = like(row, **options("new"))
    lead_to(row, Status.SCHEDULED)
    due_again(row)
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, row.events.latest("id").reason) == (Status.CANCELLED, "replaced")
    newer.refresh_from_db()
    assert newer.status == Status.SENT


def test_a_question_that_the_plan_has_left_behind_is_not_asked_again() -> None:
    row = a_communication(**options("old"))
    in_doubt_then_back(row)
    like(row, message_type=MessageType.SELECTION_CONFIRMATION, context=selected("old"))
    lead_to(row, Status.SCHEDULED)
    due_again(row)
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, row.events.latest("id").reason) == (Status.CANCELLED, "question_closed")


def test_a_late_question_goes_though_the_plan_is_further() -> None:
    """Engine.md: one that the plan never had is late, and goes, also at its second try."""
    first = a_communication(message_type=MessageType.SELECTION_CONFIRMATION, context=selected("first"))
    late = like(first, **options("late"))
    Communication.objects.filter(id=late.id).update(attempt_count=1)
    dispatch_due()
    late.refresh_from_db()
    assert late.status == Status.SENT


def test_what_is_answered_on_one_channel_is_not_asked_on_another() -> None:
    row = a_communication(**options("one"))
    answered = Communication.objects.get(id=row.id)
    answered.pk, answered.channel, answered.role = uuid4(), "sms", "companion"
    Communication.objects.bulk_create([answered])
    lead_to(answered, Status.RESPONDED)
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, row.events.latest("id").reason) == (Status.CANCELLED, "answered")


def test_what_waits_for_another_day_keeps_to_the_cap_of_that_day(settings: Settings) -> None:
    settings.CRM_DAILY_CAP = "1"
    first = a_communication(
        message_type=MessageType.CUSTOM, urgency=Urgency.NORMAL, context={"message": "A."}
    )
    second = like(first, message_type=MessageType.CUSTOM, urgency=Urgency.NORMAL, context={"message": "B."})
    assert second.due_at == datetime.fromisoformat("2030-11-21T09:00:00+05:30")
    clock.move_to(MORNING + timedelta(hours=12))  # nobody sent it in its window
    dispatch_due()
    first.refresh_from_db()
    assert first.status == Status.SCHEDULED
    assert first.due_at == datetime.fromisoformat("2030-11-22T09:00:00+05:30")
    assert story(first)[-1] == Cause.NOT_NOW


def test_a_batch_that_goes_costs_no_query_for_what_it_does_not_need() -> None:
    for _ in range(10):
        a_communication()
    with CaptureQueriesContext(connection) as queries:
        dispatch_due()
    said = [query["sql"] for query in queries]
    assert not any(
        "opened_at, c.clicked_at" in sql or ("responded_at" in sql and "EXISTS" in sql) for sql in said
    )
    assert Client.objects.count() == 10
