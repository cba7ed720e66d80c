"""From a channel that surely failed to the next one (engine.md §Strategy, step 5; §Delivery; REL-2)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from clients.models import ContactPoint
from communications.choices import Cause, OutcomeClass, Role, Status, Urgency
from communications.models import Communication, CommunicationRequest
from communications.services import fallbacks, outcomes
from communications.services.dispatch import dispatch_due
from communications.services.journal import JournalLine
from communications.services.queue import release_lapsed
from communications.tests.factories import a_communication, lead_to
from communications.tests.steps import a_fenced_call, lapse, story
from core import clock
from core.choices import Channel
from core.models import AttentionItem
from core.tests.races import Call, Gate, somebody_waits_for_a_lock, wait_until
from preferences.models import ClientPreferences
from sandbox.testing import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]


def a_call_by_sms(*, fallback_to: str = "email") -> tuple[Communication, JournalLine]:
    """A message that went out by SMS first, its call under way, e-mail stored as what follows."""
    row, line = a_fenced_call()
    phone = ContactPoint.objects.create(
        client_id=row.client_id,
        kind="phone",
        address="+919876543210",
        address_index="x" * 64,
        created_at=clock.now(),
    )
    row.attempts.update(channel=Channel.SMS, provider="test", contact_point=phone)
    Communication.objects.filter(id=row.id).update(channel=Channel.SMS)
    CommunicationRequest.objects.filter(id=row.request_id).update(strategy={"fallbacks": [fallback_to]})
    return row, line


def ends_in(line: JournalLine, outcome: OutcomeClass, code: str = "21614") -> None:
    ended = outcomes.Ended(replace(line, outcome_class=outcome, code=code))
    outcomes.record(ended=[ended], actor="worker:a", now=clock.now())


@pytest.mark.parametrize(
    "outcome",
    [
        OutcomeClass.RECIPIENT,
        OutcomeClass.CONTENT,
        OutcomeClass.CONFIG,
        OutcomeClass.OPTED_OUT,
        OutcomeClass.NEEDS_TEMPLATE,
    ],
)
def test_it_goes_out_by_the_next_channel_at_once(smtp: Sandbox, outcome: OutcomeClass) -> None:
    row, line = a_call_by_sms()
    Communication.objects.filter(id=row.id).update(retry_count=2, put_back_count=1)
    ends_in(line, outcome)
    row.refresh_from_db()
    assert (row.status, row.channel, row.retry_count, row.put_back_count) == (Status.SCHEDULED, "email", 0, 0)
    assert story(row)[-1] == Cause.NEXT_CHANNEL
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, [mail.message_id for mail in smtp.messages()]) == (
        Status.SENT,
        [row.attempts.get(channel=Channel.EMAIL).message_id],
    )


def test_used_up_retries_lead_on_too(smtp: Sandbox) -> None:
    row, line = a_call_by_sms()
    Communication.objects.filter(id=row.id).update(retry_count=3)
    ends_in(line, OutcomeClass.TRANSIENT)
    row.refresh_from_db()
    assert (row.status, row.channel) == (Status.SCHEDULED, "email")


def test_a_refused_number_is_marked_and_the_address_is_not(smtp: Sandbox) -> None:
    row, line = a_call_by_sms()
    ends_in(line, OutcomeClass.RECIPIENT)
    marked = ContactPoint.objects.filter(client_id=row.client_id, undeliverable_at__isnull=False)
    assert [(point.kind, point.undeliverable_code) for point in marked] == [("phone", "21614")]


def undeliverable(row: Communication) -> None:
    ContactPoint.objects.filter(client_id=row.client_id).update(undeliverable_at=clock.now())


def only_sms_chosen(row: Communication) -> None:
    """The request is critical; to a message that is not, the client's choice applies."""
    Communication.objects.filter(id=row.id).update(urgency=Urgency.HIGH)
    ClientPreferences.objects.filter(client_id=row.client_id).update(preferred_channels=["sms"])


def a_sibling_by_email(row: Communication) -> None:
    Communication.objects.create(
        **{
            field: getattr(row, field)
            for field in (
                "request_id",
                "client_id",
                "plan_id",
                "message_type",
                "urgency",
                "priority",
                "expires_at",
            )
        },
        channel=Channel.EMAIL,
        role=Role.COMPANION,
        status=Status.SCHEDULED,
        due_at=clock.now(),
        created_at=clock.now(),
    )


@pytest.mark.parametrize(
    "closed_by",
    [
        pytest.param(undeliverable, id="the address is undeliverable"),
        pytest.param(only_sms_chosen, id="the client wants SMS alone"),
        pytest.param(a_sibling_by_email, id="a sibling goes by e-mail"),
    ],
)
def test_without_an_open_channel_it_has_failed(
    smtp: Sandbox, closed_by: Callable[[Communication], None]
) -> None:
    """REL-3"""
    row, line = a_call_by_sms()
    closed_by(row)
    ends_in(line, OutcomeClass.CONTENT)
    row.refresh_from_db()
    assert (row.status, row.channel, story(row)[-1]) == (Status.FAILED, "sms", Cause.NO_CHANNEL_LEFT)
    assert AttentionItem.objects.get().kind == "delivery_failed"


def test_a_channel_without_connector_is_none(smtp: Sandbox) -> None:
    row, line = a_fenced_call()
    CommunicationRequest.objects.filter(id=row.request_id).update(strategy={"fallbacks": ["sms", "whatsapp"]})
    ends_in(line, OutcomeClass.CONTENT, "554")
    row.refresh_from_db()
    assert (row.status, row.channel) == (Status.FAILED, "email")


def test_a_sibling_that_failed_leaves_its_channel_free(smtp: Sandbox) -> None:
    row, line = a_call_by_sms()
    a_sibling_by_email(row)
    sibling = Communication.objects.exclude(id=row.id).get()
    lead_to(sibling, Status.FAILED)
    ends_in(line, OutcomeClass.CONTENT)
    row.refresh_from_db()
    assert (row.status, row.channel) == (Status.SCHEDULED, "email")


def test_nobody_comes_back_to_a_channel_that_failed(smtp: Sandbox) -> None:
    row, line = a_call_by_sms()
    ends_in(line, OutcomeClass.CONTENT)
    smtp.behave("refuse", code=554, text="5.6.0 no", stage="end_of_data")
    CommunicationRequest.objects.filter(id=row.request_id).update(strategy={"fallbacks": ["email", "sms"]})
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, row.channel) == (Status.FAILED, "email")


def test_late_evidence_that_it_did_not_arrive_leads_on(smtp: Sandbox) -> None:
    row, line = a_call_by_sms()
    lapse(row)
    release_lapsed(actor="worker:b", now=clock.now())
    ends_in(line, OutcomeClass.CONTENT)
    row.refresh_from_db()
    assert (row.status, row.channel, story(row)[-1]) == (Status.SCHEDULED, "email", Cause.NEXT_CHANNEL)


def chosen_for(row: Communication) -> dict[UUID, Any]:
    found = {
        "request_id": row.request_id,
        "communication_id": row.id,
        "client_id": row.client_id,
        "urgency": row.urgency,
        "fallbacks": ["email"],
    }
    return fallbacks.choose({row.id: found})


def test_two_siblings_never_choose_the_same_channel(smtp: Sandbox) -> None:
    """The second waits for the first one's request row, and then sees what the first chose."""
    row = a_communication()
    Communication.objects.filter(id=row.id).update(channel=Channel.SMS)
    a_sibling_by_email(row)
    sibling = Communication.objects.exclude(id=row.id).get()
    Communication.objects.filter(id=sibling.id).update(channel=Channel.WHATSAPP)
    chosen = Gate()

    def first() -> dict[UUID, Any]:
        with transaction.atomic():
            found = chosen_for(row)
            chosen.open()
            wait_until(somebody_waits_for_a_lock)
            Communication.objects.filter(id=row.id).update(channel=Channel.EMAIL)
        return found

    def second() -> dict[UUID, Any]:
        chosen.wait()
        with transaction.atomic():
            return chosen_for(sibling)

    calls = [Call(first), Call(second)]
    assert [call.finish() for call in calls] == [{row.id: Channel.EMAIL}, {}]


def test_a_group_of_failures_costs_a_fixed_number_of_queries(
    smtp: Sandbox, django_assert_max_num_queries: Any
) -> None:
    ended = []
    for _ in range(6):
        _, line = a_call_by_sms()
        ended.append(outcomes.Ended(replace(line, outcome_class=OutcomeClass.CONTENT, code="30007")))
    with django_assert_max_num_queries(16):
        outcomes.record(ended=ended, actor="worker:a", now=clock.now())
    assert set(Communication.objects.values_list("status", "channel")) == {("scheduled", "email")}
