"""Dispatch with a provider that is down, misconfigured or slow: real SMTP, real cache (engine.md §Delivery)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from communications.choices import AttentionKind, Cause, OutcomeClass, Status, Urgency
from communications.connectors.base import Outcome, OutgoingMessage
from communications.gateway import connector_for
from communications.models import Communication, CommunicationRequest, DeliveryAttempt
from communications.rules.circuit import PATIENCE, PROBE_AFTER
from communications.selectors.sending import load_jobs
from communications.services import circuits, sending_limits
from communications.services.dispatch import dispatch_due
from communications.services.releasing import release_waiting
from communications.services.waiting import waits_for_circuit
from communications.tests.factories import a_communication
from communications.tests.steps import claimed_and_checked, due_again, story
from core import clock
from core.choices import Channel
from core.models import AttentionItem
from sandbox.testing import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]

NOT_LET_IN = {"code": 530, "text": "5.7.0 sign in first", "stage": "mail"}


@pytest.fixture
def one_by_one(smtp: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector_for(Channel.EMAIL), "concurrency", 1)


def is_open() -> bool:
    found = circuits.glance_at(["smtp"])
    assert found is not None
    return found["smtp"].circuit.is_open


def test_after_five_failures_nothing_more_is_called(smtp: Sandbox, one_by_one: None) -> None:
    smtp.behave("refuse", code=451, text="4.3.0 try later")
    rows = [a_communication() for _ in range(9)]
    dispatch_due()
    assert DeliveryAttempt.objects.count() == 5
    assert is_open()
    waiting = Communication.objects.filter(waits_for=waits_for_circuit("smtp"))
    assert waiting.count() == len(rows) - 5
    row = waiting.first()
    assert row is not None
    assert (row.status, row.retry_count, row.goes_out_at) == (Status.SCHEDULED, 0, None)
    assert row.due_at is not None
    assert abs(row.due_at - clock.now() - PATIENCE) < timedelta(minutes=1)
    assert row.events.last().reason == "circuit_open"
    assert dispatch_due() == 0


def test_once_it_answers_again_what_waited_goes_out(smtp: Sandbox, one_by_one: None) -> None:
    smtp.behave("refuse", code=451, text="4.3.0 try later", count=5)
    rows = [a_communication() for _ in range(8)]
    dispatch_due()
    assert release_waiting(now=clock.now()) == 0  # the minute has not passed
    clock.move_by(PROBE_AFTER)
    assert release_waiting(now=clock.now()) == 1  # one, to find out
    assert dispatch_due() >= 1  # retries are due by now, too
    assert not is_open()
    assert release_waiting(now=clock.now()) == 2
    for row in rows:
        due_again(row)
    dispatch_due()
    assert set(Communication.objects.values_list("status", flat=True)) == {Status.SENT}
    assert len(smtp.messages()) == len(rows)


def test_an_account_that_is_not_in_order_holds_the_mailing_and_tells_once(
    smtp: Sandbox, one_by_one: None
) -> None:
    """Neither calls nor alerts for every message of it (REL-3)."""
    smtp.behave("refuse", **NOT_LET_IN)
    for _ in range(6):
        a_communication(urgency=Urgency.CRITICAL)
    dispatch_due()
    assert DeliveryAttempt.objects.count() == 1
    item = AttentionItem.objects.get()
    assert (item.kind, item.occurrences) == (AttentionKind.PROVIDER_CONFIGURATION, 1)
    waiting = Communication.objects.exclude(waits_for="")
    assert {row.events.last().reason for row in waiting} == {"circuit_open_configuration"}
    assert waiting.count() == 5


def test_putting_the_account_in_order_settles_the_item(smtp: Sandbox, one_by_one: None) -> None:
    smtp.behave("refuse", **NOT_LET_IN)
    row = a_communication()
    dispatch_due()
    smtp.behave("accept")
    clock.move_by(PROBE_AFTER)
    due_again(row)
    dispatch_due()
    row.refresh_from_db()
    assert row.status == Status.SENT
    assert AttentionItem.objects.get().resolved_at is not None


@pytest.mark.parametrize(("code", "text"), [(550, "5.1.1 no such user"), (554, "5.6.0 content refused")])
def test_recipients_and_texts_never_open_it(smtp: Sandbox, one_by_one: None, code: int, text: str) -> None:
    smtp.behave("refuse", code=code, text=text)
    for _ in range(8):
        a_communication()
    dispatch_due()
    assert DeliveryAttempt.objects.count() == 8
    assert not is_open()


def test_a_rate_limit_lets_through_so_many_and_the_rest_wait_their_turn(
    smtp: Sandbox, settings: Settings
) -> None:
    settings.SMTP_MAX_PER_SECOND = "0.1"
    rows = [a_communication() for _ in range(4)]
    dispatch_due()
    sent = Communication.objects.filter(status=Status.SENT).count()
    assert (sent, len(smtp.messages())) == (1, 1)
    waiting = Communication.objects.filter(status=Status.SCHEDULED)
    assert waiting.count() == len(rows) - 1
    for row in waiting:
        assert (row.retry_count, row.put_back_count, row.waits_for) == (0, 1, "")
        assert row.due_at is not None
        assert row.due_at > clock.now()
        assert story(row) == [Cause.PLANNED, Cause.NOT_NOW]
        assert row.events.last().reason == "own_rate_limit"


def test_a_message_that_waits_its_turn_is_not_made_late_by_it(smtp: Sandbox, settings: Settings) -> None:
    """Waiting longer each time ends before its deadline does."""
    settings.SMTP_MAX_PER_SECOND = "0.5"
    deadline = clock.now() + timedelta(minutes=5)
    rows = [a_communication(deliver_by=deadline) for _ in range(2)]
    Communication.objects.update(put_back_count=12)
    dispatch_due()
    row = Communication.objects.get(id__in=[row.id for row in rows], status=Status.SCHEDULED)
    assert row.due_at is not None
    assert row.due_at < clock.now() + timedelta(seconds=10)


def test_asking_and_reporting_cost_the_database_nothing(smtp: Sandbox) -> None:
    email, now = connector_for(Channel.EMAIL), clock.now()
    with CaptureQueriesContext(connection) as queries:
        assert sending_limits.ask(email, wanted=16, now=now).granted == 16
        sending_limits.report(email, [], now=now)
    assert len(queries) == 0


class ByText:
    """A connector for text messages that nobody calls: its circuit is open."""

    name, channel, concurrency = "text", Channel.SMS, 4

    def send(self, message: OutgoingMessage) -> Outcome:
        raise AssertionError("its circuit is open")

    def close(self) -> None:
        raise AssertionError("nobody opened it")


def a_stopped_sms(urgency: Urgency, *, strategy_fallbacks: list[str]) -> Communication:
    """A message that was to go by SMS, claimed and checked, when the circuit was found open; e-mail is open too."""
    row = a_communication(urgency=urgency, context={"event_date": "2035-12-15"})
    claim, cleared = claimed_and_checked()
    Communication.objects.filter(id=row.id).update(channel=Channel.SMS)
    CommunicationRequest.objects.filter(id=row.request_id).update(strategy={"fallbacks": strategy_fallbacks})
    (job,) = load_jobs([row.id])
    now = clock.now()
    sending_limits.report(ByText(), [OutcomeClass.CONFIG], now=now)
    permit = sending_limits.ask(ByText(), wanted=1, now=now)
    assert permit.granted == 0
    sending_limits.postpone(
        [replace(cleared[0], job=job)],
        connector=ByText(),
        permit=permit,
        lease_token=claim.lease_token,
        actor="worker:a",
        now=now,
    )
    row.refresh_from_db()
    return row


def test_what_is_critical_takes_its_next_channel_at_once(smtp: Sandbox) -> None:
    row = a_stopped_sms(Urgency.CRITICAL, strategy_fallbacks=["email"])
    assert (row.status, row.channel, row.waits_for) == (Status.SCHEDULED, "email", "")
    last = row.events.last()
    assert (last.cause, last.reason) == (Cause.NEXT_CHANNEL, "circuit_open_configuration")
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, len(smtp.messages())) == (Status.SENT, 1)


@pytest.mark.parametrize("left", [[], ["sms"], ["whatsapp"]], ids=["none", "its own", "one that is not open"])
def test_what_has_no_other_channel_waits(smtp: Sandbox, left: list[str]) -> None:
    row = a_stopped_sms(Urgency.CRITICAL, strategy_fallbacks=left)
    assert (row.status, row.channel, row.waits_for) == (Status.SCHEDULED, "sms", waits_for_circuit("text"))
