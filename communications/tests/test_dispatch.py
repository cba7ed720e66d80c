"""Claim → check → fence → call → record, against the real database and a real SMTP server."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from clients.models import Client, ContactPoint
from communications.agents.reply_address import communication_answered
from communications.choices import AttemptStatus, Cause, MessageType, Status, Urgency
from communications.models import Communication, CommunicationRequest, DeliveryAttempt, DeliveryEvent
from communications.rules.message_types import PRIORITIES
from communications.rules.retry import RETRY_AFTER_MINUTES
from communications.services.dispatch import dispatch_due
from communications.services.lanes import bulk_lane
from communications.services.queue import claim_due
from communications.services.reconcile import reconcile
from communications.tests.factories import a_communication
from communications.tests.steps import (
    due_again,
    story,
)
from core import clock
from core.errors import Unreadable
from core.models import AttentionItem
from core.sealing import destroy_key, load_keys, unseal
from core.tests.races import at_once
from sandbox.testing import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]


def test_a_due_communication_is_sent_once_and_tells_its_story(smtp: Sandbox) -> None:
    row = a_communication()
    assert dispatch_due() == 1
    assert dispatch_due() == 0
    row.refresh_from_db()
    attempt = row.attempts.get()
    assert row.status == Status.SENT
    assert row.sent_at is not None
    assert row.html_sha256
    assert (attempt.delivery_status, attempt.number) == (AttemptStatus.ACCEPTED, 1)
    assert story(row) == [Cause.PLANNED, Cause.CLAIMED, Cause.ACCEPTED]
    assert [mail.message_id for mail in smtp.messages()] == [attempt.message_id]


def test_mails_of_a_plan_are_one_conversation(smtp: Sandbox, settings: Settings) -> None:
    settings.CRM_REPLY_ADDRESS = "replies@in.planiva.example"
    rows = [a_communication(plan_reference="plan-1", client_reference="client-1")]
    rows += [
        a_communication(
            plan_reference="plan-1",
            client_reference="client-1",
            message_type=MessageType.CUSTOM,
            context={"message": "Hi."},
        )
    ]
    dispatch_due()
    mails = [mail.parsed() for mail in smtp.messages()]
    assert len(mails) == 2
    (thread,) = {mail["References"] for mail in mails}
    assert thread == f"<plan.{rows[0].plan_id.hex}@planiva.example>"
    assert {mail["In-Reply-To"] for mail in mails} == {thread}
    assert {mail["Auto-Submitted"] for mail in mails} == {"auto-generated"}
    assert {mail["List-Id"] for mail in mails} == {'"Planiva Event Planning" <clients.planiva.example>'}
    answered = {communication_answered(mail["Reply-To"].addresses[0].addr_spec) for mail in mails}
    assert answered == {row.id for row in rows}


def test_what_is_not_due_stays(smtp: Sandbox) -> None:
    row = a_communication(send_at=clock.now() + timedelta(hours=1))
    assert dispatch_due() == 0
    row.refresh_from_db()
    assert row.status == Status.SCHEDULED
    assert smtp.messages() == []


def test_urgent_rows_are_claimed_first(smtp: Sandbox) -> None:
    rows = {urgency: a_communication() for urgency in reversed(Urgency)}
    for priority, urgency in enumerate(Urgency):
        Communication.objects.filter(id=rows[urgency].id).update(priority=(1, 3, 5, 7)[priority])
    claim = claim_due(limit=2, offset=timedelta(), worker="worker:a")
    assert claim is not None
    assert set(claim.ids) == {rows[Urgency.CRITICAL].id, rows[Urgency.HIGH].id}


def test_two_workers_never_claim_the_same_row(smtp: Sandbox) -> None:
    rows = {a_communication().id for _ in range(30)}

    def work() -> list[Any]:
        claims = iter(lambda: claim_due(limit=4, offset=timedelta(), worker="worker:a"), None)
        return [identifier for claim in claims for identifier in claim.ids]

    claimed = at_once(3, work)
    everything = [identifier for ids in claimed for identifier in ids]
    assert len(everything) == len(set(everything))
    assert set(everything) == rows


def test_workers_side_by_side_send_each_mail_once(smtp: Sandbox) -> None:
    """REL-6"""
    rows = [a_communication() for _ in range(60)]
    at_once(3, lambda: dispatch_due(lane=bulk_lane()))
    sent = [mail.message_id for mail in smtp.messages()]
    assert len(sent) == len(set(sent)) == len(rows)
    assert set(Communication.objects.values_list("status", flat=True)) == {Status.SENT}


def test_a_passing_trouble_is_retried_after_1_5_and_15_minutes_and_then_fails(smtp: Sandbox) -> None:
    """REL-1, DB-7, REL-3"""
    smtp.behave("refuse", code=451, text="4.3.0 try later")
    row = a_communication()
    for minutes in RETRY_AFTER_MINUTES:
        dispatch_due()
        row.refresh_from_db()
        assert row.status == Status.SCHEDULED
        assert row.due_at is not None
        waited = (row.due_at - clock.now()) / timedelta(minutes=minutes)
        assert 0.89 < waited < 1.11
        due_again(row)
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, row.outcome_code, row.attempts.count()) == (Status.FAILED, "451 4.3.0", 4)
    assert row.failed_at is not None
    assert AttentionItem.objects.get().kind == "delivery_failed"
    assert smtp.messages() == []


def test_a_retry_that_gets_through_sends_one_mail(smtp: Sandbox) -> None:
    smtp.behave("refuse", code=421, text="4.4.2 busy", count=1)
    row = a_communication()
    dispatch_due()
    due_again(row)
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, row.retry_count, len(smtp.messages())) == (Status.SENT, 1, 1)


def test_a_dead_address_is_marked_and_staff_are_told(smtp: Sandbox) -> None:
    smtp.behave("refuse", code=550, text="5.1.1 no such user")
    row = a_communication()
    gate = Client.objects.get(id=row.client_id).gate_version
    dispatch_due()
    row.refresh_from_db()
    point = ContactPoint.objects.get(client_id=row.client_id)
    assert row.status == Status.FAILED
    assert point.undeliverable_code == "550 5.1.1"
    assert Client.objects.get(id=row.client_id).gate_version > gate
    assert AttentionItem.objects.get().details == {"code": "550 5.1.1", "reason": "recipient_refused"}


def test_a_refused_sender_never_marks_the_address(smtp: Sandbox) -> None:
    smtp.behave("refuse", code=550, text="5.7.1 your domain is not welcome")
    row = a_communication()
    dispatch_due()
    row.refresh_from_db()
    assert row.status == Status.FAILED
    assert ContactPoint.objects.get(client_id=row.client_id).undeliverable_at is None


def test_an_address_that_fails_weakly_three_times_in_a_row_is_marked(smtp: Sandbox) -> None:
    smtp.behave("refuse", code=552, text="5.2.2 mailbox full")
    row = a_communication()
    dispatch_due()
    due_again(row)
    dispatch_due()
    row.refresh_from_db()
    point = ContactPoint.objects.get(client_id=row.client_id)
    assert (row.status, point.undeliverable_at) == (Status.FAILED, None)
    client = Client.objects.get(id=row.client_id)
    again = a_communication(client_reference=client.reference, context={"client_email": point.address})
    dispatch_due()
    again.refresh_from_db()
    point.refresh_from_db()
    assert (again.status, point.undeliverable_code) == (Status.FAILED, "552 5.2.2")


def test_an_answer_that_never_came_is_in_doubt_and_not_repeated(smtp: Sandbox) -> None:
    smtp.behave("drop_after_data")
    row = a_communication()
    dispatch_due()
    row.refresh_from_db()
    assert row.status == Status.IN_DOUBT
    assert row.attempts.get().delivery_status == AttemptStatus.UNKNOWN
    assert AttentionItem.objects.get().kind == "in_doubt"
    smtp.behave("accept")
    reconcile(actor="worker:b", now=clock.now())
    assert dispatch_due() == 0
    assert len(smtp.messages()) == 1


def test_a_connection_lost_before_the_message_left_is_a_passing_trouble(smtp: Sandbox) -> None:
    smtp.behave("drop_before_data")
    row = a_communication()
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, smtp.messages()) == (Status.SCHEDULED, [])


def test_deleting_one_clients_key_ends_all_reading_of_context_content_and_receipts(smtp: Sandbox) -> None:
    """SEC-3: the other client's rows stay readable, this one's open with no key that is left."""
    smtp.behave("refuse", code=550, text="5.1.1 <priya@example.com> unknown")
    row, other = a_communication(), a_communication()
    dispatch_due()
    for each in (row, other):
        each.refresh_from_db()
    event, attempt = row.events.get(to_status=Status.FAILED), row.attempts.get()
    sealed: list[tuple[type[Any], str, Any]] = [
        (CommunicationRequest, "context", row.request.context),
        (Communication, "content", row.content),
        (DeliveryEvent, "payload", event.payload),
        (DeliveryAttempt, "error_message", attempt.error_message),
    ]
    keys = [row.client.data_key_id, other.client.data_key_id]
    key = load_keys(keys)[keys[0]]
    assert all("riya" in str(unseal(model, field, blob, key)) for model, field, blob in sealed)
    destroy_key(keys[0], now=clock.now())
    left = load_keys(keys)
    assert list(left) == [keys[1]]
    for model, field, blob in sealed:
        with pytest.raises(Unreadable):
            unseal(model, field, blob, left[keys[1]])
    assert unseal(Communication, "content", other.content, left[keys[1]])


def test_a_client_whose_key_is_gone_is_never_written_to(smtp: Sandbox) -> None:
    row = a_communication()
    destroy_key(row.client.data_key_id, now=clock.now())
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, smtp.messages()) == (Status.CANCELLED, [])


def test_a_batch_costs_a_fixed_number_of_queries(smtp: Sandbox, django_assert_max_num_queries: Any) -> None:
    for _ in range(16):
        a_communication()
    with django_assert_max_num_queries(45):
        assert dispatch_due() == 16


def test_claims_do_not_walk_rows_that_are_not_due(smtp: Sandbox) -> None:
    """PERF-9: what is due is looked up in the index, whatever waits behind it."""
    a_communication()
    with CaptureQueriesContext(connection) as queries:
        claim_due(limit=10, offset=timedelta(), worker="worker:a")
    (claim,) = [query["sql"] for query in queries if "SKIP LOCKED" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(f"EXPLAIN {claim}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
    conditions = [part.splitlines()[0] for part in plan.split("Index Cond:")[1:]]
    assert plan.count("queue_due_idx") == len(conditions) == len(PRIORITIES)
    assert all("due_at <=" in condition for condition in conditions)


def test_a_configuration_error_is_one_alert_for_the_channel(smtp: Sandbox) -> None:
    """MSG-11: administrators are told once, whoever the messages were for."""
    smtp.behave("refuse", code=530, text="5.7.0 sign in first", stage="mail")
    for _ in range(3):
        a_communication()
    dispatch_due()
    alerts = AttentionItem.objects.filter(kind="provider_configuration")
    assert [alert.occurrences for alert in alerts] == [3]
    assert smtp.messages() == []
