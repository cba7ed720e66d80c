"""Communications in doubt of which nothing more is heard: 15 minutes after their fence (REL-3, REL-6).

An SMS stands for a channel that gave no answer; its fallback is e-mail, which is really sent.
"""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from communications.choices import AttemptStatus, AttentionKind, Cause, OutcomeClass, Role, Status, Urgency
from communications.models import Communication, CommunicationRequest, DeliveryAttempt
from communications.services import doubts
from communications.services.dispatch import dispatch_due
from communications.services.doubts import settle_doubts
from communications.services.reconcile import reconcile
from communications.tests.factories import in_status
from communications.tests.steps import story
from core import attention, clock
from core.models import AttentionItem

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("smtp", "templates")]


def a_doubtful_sms(*, minutes=16, urgency=Urgency.CRITICAL, fallbacks=("email",), **changes):
    """One of whose SMS, fenced so many minutes ago, nobody knows whether it arrived."""
    row = in_status(Status.IN_DOUBT)
    strategy = row.request.strategy | {"fallbacks": list(fallbacks)}
    CommunicationRequest.objects.filter(id=row.request_id).update(strategy=strategy)
    Communication.objects.filter(id=row.id).update(channel="sms", attempt_count=1, urgency=urgency, **changes)
    DeliveryAttempt.objects.create(
        communication=row,
        number=1,
        channel="sms",
        provider="sms",
        lease_token=uuid4(),
        delivery_status=AttemptStatus.UNKNOWN,
        outcome_class=OutcomeClass.AMBIGUOUS,
        message_id=f"<{row.id}@planiva.example>",
        started_at=clock.now() - timedelta(minutes=minutes),
    )
    attention.raise_item(
        kind=AttentionKind.IN_DOUBT,
        dedupe_key=str(row.id),
        target=f"communication:{row.id}",
        details={},
        now=clock.now(),
    )
    row.refresh_from_db()
    return row


def settle() -> int:
    return settle_doubts(actor="worker:a", now=clock.now())


def test_a_critical_one_goes_to_its_fallback_and_is_sent_there(smtp):
    row = a_doubtful_sms()
    assert settle() == 1
    row.refresh_from_db()
    assert (row.status, row.channel, story(row)[-1]) == (Status.SCHEDULED, "email", Cause.NEXT_CHANNEL)
    assert AttentionItem.objects.get().resolved_at is not None
    dispatch_due()
    row.refresh_from_db()
    assert row.status == Status.SENT
    assert len(smtp.messages()) == 1
    assert settle() == 0


def test_the_reconciling_task_does_it():
    row = a_doubtful_sms()
    reconcile(actor="worker:a", now=clock.now())
    row.refresh_from_db()
    assert row.channel == "email"


@pytest.mark.parametrize(
    "doubtful",
    [
        pytest.param({"minutes": 14}, id="evidence may still come"),
        pytest.param({"urgency": Urgency.HIGH}, id="not critical"),
        pytest.param({"fallbacks": ()}, id="no fallback was planned"),
        pytest.param({"fallbacks": ("sms",)}, id="never again on its own channel"),
        pytest.param({"fallbacks": ("whatsapp",)}, id="its fallback is not open"),
        pytest.param({"expires_at": datetime(2026, 1, 1, tzinfo=UTC)}, id="too late"),
    ],
)
def test_the_others_stay_and_are_shown(doubtful, smtp):
    row = a_doubtful_sms(**doubtful)
    assert settle() == 0
    row.refresh_from_db()
    assert (row.status, row.channel) == (Status.IN_DOUBT, "sms")
    assert AttentionItem.objects.get().resolved_at is None
    dispatch_due()
    assert smtp.messages() == []


def test_a_channel_that_a_sibling_uses_is_no_fallback():
    row = a_doubtful_sms()
    sibling = Communication.objects.get(id=row.id)
    sibling.id, sibling._state.adding = uuid4(), True
    sibling.status, sibling.channel, sibling.role = Status.SCHEDULED, "email", Role.COMPANION
    sibling.save(force_insert=True)
    assert settle() == 0


def test_one_that_was_asked_to_be_cancelled_goes_nowhere():
    row = a_doubtful_sms(cancel_requested=True)
    settle()
    row.refresh_from_db()
    assert (row.status, story(row)[-1]) == (Status.CANCELLED, Cause.CANCEL_REQUESTED)


def test_those_that_stay_hold_up_nobody(monkeypatch):
    monkeypatch.setattr(doubts, "_BATCH", 2)
    rows = [a_doubtful_sms(fallbacks=("email",) if number % 3 == 0 else ()) for number in range(7)]
    assert settle() == 3
    gone = Communication.objects.filter(id__in=[row.id for row in rows], status=Status.SCHEDULED)
    assert gone.count() == 3


def test_nothing_in_doubt_costs_one_query(django_assert_num_queries):
    in_status(Status.IN_DOUBT)
    now = clock.now()
    with django_assert_num_queries(1):
        assert settle_doubts(actor="worker:a", now=now) == 0


def test_the_cost_does_not_grow_with_the_number(django_assert_max_num_queries):
    for _ in range(6):
        a_doubtful_sms()
    with django_assert_max_num_queries(20):
        assert settle() == 6
