"""A request is accepted once, for somebody, with its decision and reasons stored; or nothing is."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from clients.models import Client, ContactPoint, Plan
from communications.choices import Cause, MessageType, Status, Urgency
from communications.models import Communication, CommunicationRequest, IdempotencyKey
from communications.services import lifecycle
from communications.services.commands import ClientData, Idempotency, SubmitCommand
from communications.services.lifecycle import Transition
from communications.services.submit import submit
from communications.tests.conftest import NOON_IN_KOLKATA
from communications.tests.factories import a_command, budgets, lease
from core import clock
from core.errors import Conflict, Invalid
from core.models import AttentionItem, AuditEntry, DataKey
from core.sealing import load_keys, unseal
from core.tests.races import at_once
from preferences.models import ClientPreferences

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("smtp", "templates")]


def send(
    command: SubmitCommand, *, now: datetime = NOON_IN_KOLKATA, **more: Any
) -> tuple[Communication, bool]:
    submitted = submit(command=command, caller="service:planner", now=now, **more)
    return Communication.objects.get(request_id=submitted.request_id), submitted.duplicate


def codes(row: Communication) -> list[str]:
    return [reason["code"] for reason in row.request.strategy["reasons"]]


def test_a_new_client_gets_the_default_profile_and_a_scheduled_welcome() -> None:
    """PRF-1, STR-6, ORC-4"""
    command = a_command(urgency=None)
    row, duplicate = send(command)
    profile = ClientPreferences.objects.get(client=row.client)
    assert not duplicate
    assert (row.status, row.channel, row.priority, row.due_at) == (
        Status.SCHEDULED,
        "email",
        5,
        NOON_IN_KOLKATA,
    )
    assert (profile.preferred_channels, profile.quiet_hours_start, profile.timezone) == (
        None,
        None,
        "Asia/Kolkata",
    )
    assert "detailed_email_first" in codes(row)
    assert AuditEntry.objects.filter(target=f"request:{row.request_id}").exists()


def test_a_normal_message_in_the_evening_waits_for_the_morning_with_its_reason() -> None:
    """STR-3: 22:30 in Kolkata."""
    evening = datetime.fromisoformat("2026-03-03T22:30:00+05:30")
    row, _ = send(a_command(urgency=Urgency.NORMAL), now=evening)
    assert row.due_at == datetime.fromisoformat("2026-03-04T09:00:00+05:30")
    assert {"night", "contact_window"} & set(codes(row))


def test_without_a_timezone_the_installations_stands_in_and_says_so(settings: Any) -> None:
    settings.CRM_DEFAULT_TIMEZONE = "Europe/Rome"
    row, _ = send(a_command(urgency=Urgency.NORMAL, client=ClientData()))
    assert "default_timezone" in codes(row)


def test_content_and_context_are_sealed_and_composed_when_accepted() -> None:
    row, _ = send(a_command())
    key = load_keys([row.client.data_key_id])[row.client.data_key_id]
    content = unseal(Communication, "content", row.content, key)
    context = unseal(CommunicationRequest, "context", row.request.context, key)
    assert "Priya Sharma" in content["subject"]
    assert content["text"]
    assert context["client_name"] == "Priya Sharma"
    assert b"Priya" not in bytes(row.content) + bytes(row.request.context)


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(lambda command: command, id="the same again"),
        pytest.param(lambda command: replace(command, urgency=Urgency.LOW), id="with another urgency"),
        pytest.param(
            lambda command: replace(command, context={**command.context, "client_name": "Priya Sharma-Rao"}),
            id="with the name spelled otherwise",
        ),
        pytest.param(
            lambda command: replace(
                command, context={"client_name": "Priya Sharma", "event_type": "wedding"}
            ),
            id="without what is known already",
        ),
        pytest.param(
            lambda command: replace(command, context={**command.context, "run_id": "2", "generated_at": "x"}),
            id="from another run",
        ),
    ],
)
def test_a_repeat_gets_the_first_request_back(again: Callable[[SubmitCommand], SubmitCommand]) -> None:
    command = a_command()
    first, _ = send(command)
    second, duplicate = send(again(command), now=NOON_IN_KOLKATA + timedelta(days=200))
    assert duplicate
    assert second.id == first.id


def test_other_content_makes_another_request() -> None:
    command = a_command(message_type=MessageType.BUDGET_SUMMARY, context=budgets(1))
    first, _ = send(command)
    other = replace(command, context={**command.context, **budgets(2)})
    second, duplicate = send(other)
    assert not duplicate
    assert second.id != first.id


@pytest.mark.parametrize("end", [Status.CANCELLED, Status.FAILED])
def test_a_request_of_which_nothing_was_sent_does_not_hold_its_key(end: Status) -> None:
    command = a_command()
    first, _ = send(command)
    steps = {
        Status.CANCELLED: [(Status.CANCELLED, Cause.CALLER_CANCELLED)],
        Status.FAILED: [
            (Status.SENDING, Cause.CLAIMED),
            (Status.FAILED, Cause.NO_CHANNEL_LEFT),
        ],
    }
    lease(first)
    for to, cause in steps[end]:
        lifecycle.apply([Transition(first.id, to, cause, "staff:1", NOON_IN_KOLKATA)], now=NOON_IN_KOLKATA)
    second, duplicate = send(command)
    assert not duplicate
    assert second.id != first.id


def test_a_type_without_a_stage_repeats_for_a_day_and_only_its_latest() -> None:
    base = a_command(message_type=MessageType.CUSTOM, context={"message": "The florist called."})
    other = replace(base, context={**base.context, "message": "The band called."})
    first, _ = send(base)
    assert send(base, now=NOON_IN_KOLKATA + timedelta(hours=23))[1]
    assert not send(other, now=NOON_IN_KOLKATA + timedelta(hours=23))[1]
    third, duplicate = send(base, now=NOON_IN_KOLKATA + timedelta(hours=23, minutes=1))
    assert not duplicate
    assert third.id != first.id
    assert not send(base, now=NOON_IN_KOLKATA + timedelta(hours=48))[1]


def test_errors_of_one_plan_within_an_hour_are_one_message() -> None:
    base = a_command(
        message_type=MessageType.ERROR_NOTIFICATION,
        context={"error_occurred": True, "error_message": "Traceback one"},
    )
    other = replace(base, context={**base.context, "error_message": "Traceback two"})
    send(base)
    assert send(other, now=NOON_IN_KOLKATA + timedelta(minutes=59))[1]
    assert not send(other, now=NOON_IN_KOLKATA + timedelta(minutes=61))[1]


def test_the_raw_error_text_is_never_in_the_message() -> None:
    row, _ = send(
        a_command(
            message_type=MessageType.ERROR_NOTIFICATION,
            context={"error_occurred": True, "error_message": "KeyError: venue_0xdead"},
        )
    )
    key = load_keys([row.client.data_key_id])[row.client.data_key_id]
    assert "0xdead" not in str(unseal(Communication, "content", row.content, key))


def test_new_contact_data_replaces_the_old_and_is_audited() -> None:
    command = a_command()
    row, _ = send(command)
    gate = row.client.gate_version
    send(replace(command, client=ClientData(email="Priya.New@EXAMPLE.com")))
    old, new = ContactPoint.objects.filter(client=row.client).order_by("created_at", "replaced_at")
    assert {point.replaced_at is None for point in (old, new)} == {True, False}
    current = ContactPoint.objects.get(client=row.client, replaced_at__isnull=True)
    assert current.address == "priya.new@example.com"
    assert Client.objects.get(id=row.client_id).gate_version > gate
    assert AuditEntry.objects.filter(action="contact_point.replaced").count() == 1


def test_no_open_channel_is_stored_as_cancelled_with_its_reasons() -> None:
    """An address that is a phone number alone: SMS has no connector yet."""
    row, _ = send(a_command(context={"client_email": None, "client_phone": "+911234567890"}))
    assert row.status == Status.CANCELLED
    assert codes(row)[0] == "no_open_channel"


def test_a_message_that_cannot_meet_its_deadline_is_cancelled_with_its_reason() -> None:
    evening = datetime.fromisoformat("2026-03-03T22:30:00+05:30")
    row, _ = send(a_command(urgency=Urgency.NORMAL, deliver_by=evening + timedelta(hours=1)), now=evening)
    assert (row.status, codes(row)) == (Status.CANCELLED, ["cannot_meet_deadline"])
    assert AttentionItem.objects.get().kind == "not_sent"


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        pytest.param(
            {"context": {"client_name": None}}, "context.client_name", "missing_variable", id="no name"
        ),
        pytest.param(
            {"context": {"client_name": ""}}, "context.client_name", "missing_variable", id="empty name"
        ),
        pytest.param(
            {"context": {"client_name": "\u202e\u2060"}},
            "context.client_name",
            "missing_variable",
            id="unseen name",
        ),
        pytest.param(
            {"context": {"next_steps": ["x" * 20_001]}}, "context.next_steps", "too_long", id="too long"
        ),
        pytest.param(
            {"context": {"client_email": "priya at home"}}, "context.client_email", "invalid_email", id="mail"
        ),
        pytest.param(
            {"context": {"client_name": "priya@example.com"}},
            "context.client_name",
            "is_an_address",
            id="mail for a name",
        ),
        pytest.param(
            {"client": ClientData(name="+91 98765 43210")}, "client.name", "is_an_address", id="phone"
        ),
        pytest.param({"client": ClientData(phone="12")}, "client.phone", "invalid_phone", id="phone"),
        pytest.param(
            {"context": {"client_email": None}}, "client", "unknown_client", id="nobody to write to"
        ),
        pytest.param(
            {"context": {"plan_id": "another"}}, "context.plan_id", "contradicts_plan_id", id="plan"
        ),
        pytest.param({"context": {"event_date": "soon"}}, "context.event_date", "invalid_date", id="date"),
    ],
)
def test_a_wrong_request_names_its_fields_and_stores_nothing(
    changes: dict[str, Any], field: str, code: str
) -> None:
    """EML-9"""
    with pytest.raises(Invalid) as refused:
        submit(command=a_command(**changes), caller="service:planner", now=NOON_IN_KOLKATA)
    assert [(problem.field, problem.code) for problem in refused.value.problems] == [(field, code)]
    for model in (Client, Plan, ContactPoint, CommunicationRequest, Communication, DataKey, AuditEntry):
        assert model.objects.count() == 0


def test_a_plan_of_another_client_is_refused_and_changes_nothing() -> None:
    first, _ = send(a_command())
    with pytest.raises(Conflict) as refused:
        send(a_command(plan_reference=first.plan.reference))
    assert refused.value.code == "plan_of_another_client"
    assert Client.objects.count() == 1


def test_an_idempotency_key_answers_the_same_and_refuses_another_body() -> None:
    command = a_command(message_type=MessageType.CUSTOM, context={"message": "One"})
    other = replace(command, context={**command.context, "message": "Two"})
    key = Idempotency("key-1", b"one")
    first, _ = send(command, idempotency_key=key)
    send(other)
    replayed, duplicate = send(command, idempotency_key=key)
    assert duplicate
    assert replayed.id == first.id
    with pytest.raises(Invalid) as refused:
        send(other, idempotency_key=Idempotency("key-1", b"two"))
    assert refused.value.problems[0].code == "idempotency_key_reused"


def test_an_idempotency_key_is_forgotten_after_a_day_and_belongs_to_its_caller() -> None:
    command = a_command()
    send(command, idempotency_key=Idempotency("key-1", b"one"))
    submit(
        command=command,
        caller="service:other",
        now=NOON_IN_KOLKATA,
        idempotency_key=Idempotency("key-1", b"two"),
    )
    send(command, now=NOON_IN_KOLKATA + timedelta(hours=24), idempotency_key=Idempotency("key-1", b"three"))
    assert IdempotencyKey.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_identical_requests_at_the_same_instant_make_one(templates: None) -> None:
    """REL-6"""
    command = a_command()
    results = at_once(6, lambda: submit(command=command, caller="service:planner", now=clock.now()))
    assert len({result.request_id for result in results}) == 1
    assert sorted(result.duplicate for result in results) == [False] + [True] * 5
    assert (Client.objects.count(), Communication.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_one_idempotency_key_at_the_same_instant_makes_one_request(templates: None) -> None:
    command = a_command()
    key = Idempotency("key-1", b"one")

    def try_it() -> Any:
        try:
            return submit(command=command, caller="service:planner", now=clock.now(), idempotency_key=key)
        except Conflict as conflict:
            return conflict

    results = at_once(6, try_it)
    conflicts = [result for result in results if isinstance(result, Conflict)]
    stored = [result for result in results if not isinstance(result, Conflict)]
    assert all(error.code == "idempotency_key_in_use" for error in conflicts)
    assert len({result.request_id for result in stored}) == 1
    assert Communication.objects.count() == 1
