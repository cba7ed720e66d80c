"""Receipts: stored once, applied in any order with the same end, bad news acted upon (engine.md §Lifecycle)."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients.models import ContactPoint
from communications.choices import (
    AttemptStatus,
    AttentionKind,
    Cause,
    OutcomeClass,
    ReceiptKind,
    ReceiptVerdict,
    Status,
)
from communications.models import Communication, DeliveryEvent, Receipt
from communications.services import receipt_effects
from communications.services.receipt_effects import process_due
from communications.services.receipts import purge, receive, store
from communications.tests.receipts import PROVIDER, a_sent_message, an_attempt, hear, told
from communications.tests.steps import story
from core import clock
from core.models import AttentionItem
from core.sealing import destroy_key, load_keys, unseal

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("templates", "mail_configured")]


def attempt_of(row: Communication):
    return row.attempts.order_by("number").last()


# -- Any order ---------------------------------------------------------------------------------------------
KINDS = [
    ReceiptKind.ACCEPTED,
    ReceiptKind.DEFERRED,
    ReceiptKind.DELIVERED,
    ReceiptKind.BOUNCED,
    ReceiptKind.OPENED,
    ReceiptKind.CLICKED,
    ReceiptKind.AUTO_REPLY,
]


def end_of(row: Communication) -> dict[str, Any]:
    """Everything that receipts may lead to, as minutes since the call."""
    row.refresh_from_db()
    attempt = attempt_of(row)

    def minutes(at):
        return None if at is None else round((at - attempt.started_at).total_seconds() / 60, 3)

    reached = ("sent_at", "delivered_at", "opened_at", "clicked_at")
    return {
        "status": row.status,
        "attempt": (attempt.delivery_status, attempt.outcome_class, attempt.outcome_code),
        "times": [minutes(getattr(row, name)) for name in reached],
        "attempt_times": [minutes(attempt.opened_at), minutes(attempt.clicked_at)],
        "failed": row.failed_at is not None,
    }


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_end_is_the_same_in_whatever_order_and_groups_they_come(data):
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=5))
    minutes = data.draw(st.lists(st.integers(1, 50), min_size=len(kinds), max_size=len(kinds)))
    start = data.draw(st.sampled_from([Status.SENT, Status.IN_DOUBT]))
    told_so = list(zip(kinds, minutes, strict=True))
    ends = []
    for order in (told_so, data.draw(st.permutations(told_so)), data.draw(st.permutations(told_so))):
        row = a_sent_message(start)
        began = clock.now() - timedelta(hours=1)
        row.attempts.update(started_at=began)
        # The time at which it was taken is the product's own and the same in each order.
        Communication.objects.filter(id=row.id, sent_at__isnull=False).update(sent_at=began)
        receipts = [
            told(kind, attempt_of(row), occurred_at=began + timedelta(minutes=minute))
            for kind, minute in order
        ]
        cut = data.draw(st.integers(0, len(receipts)))
        hear(*receipts[:cut])
        for receipt in receipts[cut:]:
            hear(receipt, receipt)
        hear(*receipts)
        ends.append(end_of(row))
    assert ends[0] == ends[1] == ends[2]


def test_told_again_it_is_known():
    row = a_sent_message()
    receipt = told(ReceiptKind.DELIVERED, attempt_of(row))
    assert store([receipt, receipt], received_at=clock.now()) == 1
    hear(receipt)
    hear(receipt)
    assert Receipt.objects.count() == 1
    assert DeliveryEvent.objects.filter(communication=row, cause=Cause.RECEIPT).count() == 1


def test_the_same_key_of_another_provider_is_another_receipt():
    row = a_sent_message()
    first = told(ReceiptKind.DELIVERED, attempt_of(row), dedupe_key="1")
    second = told(ReceiptKind.OPENED, attempt_of(row), dedupe_key="1", provider="other")
    hear(first, second)
    row.refresh_from_db()
    assert row.status == Status.OPENED


# -- Which attempt -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("reference", ["attempt_id", "provider_message_id", "message_id"])
def test_it_is_found_by_any_reference(reference):
    row = a_sent_message()
    attempt = attempt_of(row)
    known = {
        "attempt_id": attempt.id,
        "provider_message_id": attempt.provider_message_id,
        "message_id": attempt.message_id,
    }
    hear(told(ReceiptKind.DELIVERED, None, **{reference: known[reference]}))
    row.refresh_from_db()
    assert row.status == Status.DELIVERED


def test_the_id_of_another_provider_s_message_is_not_ours():
    row = a_sent_message()
    foreign = attempt_of(row).provider_message_id
    hear(told(ReceiptKind.DELIVERED, None, provider="other", provider_message_id=foreign))
    row.refresh_from_db()
    assert (row.status, Receipt.objects.get().verdict) == (Status.SENT, ReceiptVerdict.WAITING)


def test_an_early_one_waits_for_its_attempt():
    attempt_id = uuid4()
    hear(told(ReceiptKind.DELIVERED, attempt_id))
    waiting = Receipt.objects.get()
    assert (waiting.verdict, waiting.looks) == (ReceiptVerdict.WAITING, 1)
    row = a_sent_message()
    an_attempt(row, id=attempt_id)
    process_due(actor="worker:a", now=clock.now() + timedelta(seconds=5))
    row.refresh_from_db()
    waiting.refresh_from_db()
    assert (row.status, waiting.verdict) == (Status.DELIVERED, ReceiptVerdict.APPLIED)


def test_one_that_is_faster_than_the_record_of_its_call_waits_for_that():
    row = a_sent_message(Status.SENDING)
    row.attempts.update(delivery_status=AttemptStatus.CALLING, outcome_class="")
    hear(told(ReceiptKind.BOUNCED, attempt_of(row)))
    row.refresh_from_db()
    assert (row.status, attempt_of(row).delivery_status) == (Status.SENDING, AttemptStatus.CALLING)
    assert Receipt.objects.get().verdict == ReceiptVerdict.WAITING


def test_what_refers_to_nothing_is_not_looked_for():
    hear(told(ReceiptKind.DELIVERED, None))
    assert Receipt.objects.get().verdict == ReceiptVerdict.UNMATCHED


def test_what_nobody_acts_upon_is_kept_and_ignored():
    row = a_sent_message()
    hear(told(ReceiptKind.OTHER, attempt_of(row)))
    assert Receipt.objects.get().verdict == ReceiptVerdict.IGNORED


# -- Bad news ----------------------------------------------------------------------------------------------
def test_a_bounce_marks_the_address_that_was_used_and_people_are_told():
    row = a_sent_message()
    used = attempt_of(row).contact_point
    ContactPoint.objects.filter(id=used.id).update(replaced_at=clock.now())
    newer = ContactPoint.objects.create(
        client_id=row.client_id,
        kind="email",
        address="new@example.com",
        address_index="y" * 64,
        created_at=clock.now(),
    )
    hear(told(ReceiptKind.BOUNCED, attempt_of(row)))
    row.refresh_from_db()
    used.refresh_from_db()
    newer.refresh_from_db()
    assert (row.status, story(row)[-1]) == (Status.FAILED, Cause.BOUNCED)
    assert (used.undeliverable_code, newer.undeliverable_at) == ("550 5.1.1", None)
    assert set(AttentionItem.objects.values_list("kind", "target")) == {
        (AttentionKind.DELIVERY_FAILED, f"communication:{row.id}"),
        (AttentionKind.ADDRESS_UNDELIVERABLE, f"client:{row.client_id}"),
    }
    attempt = attempt_of(row)
    assert (attempt.outcome_class, attempt.outcome_code) == (OutcomeClass.RECIPIENT, "550 5.1.1")


def test_what_an_sms_provider_tells_late_leads_to_the_next_channel():
    row = a_sent_message(fallbacks=("email",))
    row.attempts.update(channel="sms")
    Communication.objects.filter(id=row.id).update(channel="sms")
    hear(told(ReceiptKind.UNDELIVERED, attempt_of(row), outcome_class=OutcomeClass.CONTENT, code="30007"))
    row.refresh_from_db()
    assert (row.status, row.channel, story(row)[-1]) == (Status.SCHEDULED, "email", Cause.UNDELIVERED)
    hear(told(ReceiptKind.DELIVERED, attempt_of(row)))
    row.refresh_from_db()
    assert (row.status, row.channel) == (Status.DELIVERED, "sms"), (
        "it arrived after all; nothing more goes out"
    )


def test_a_channel_that_a_sibling_took_meanwhile_stays_the_sibling_s():
    row = a_sent_message(fallbacks=("email",))
    row.attempts.update(channel="sms")
    Communication.objects.filter(id=row.id).update(channel="sms")
    hear(told(ReceiptKind.UNDELIVERED, attempt_of(row), outcome_class=OutcomeClass.CONTENT))
    sibling = Communication.objects.get(id=row.id)
    sibling.id, sibling.channel, sibling._state.adding = uuid4(), "sms", True
    sibling.save(force_insert=True)
    hear(told(ReceiptKind.DELIVERED, attempt_of(row)))
    row.refresh_from_db()
    assert (row.status, row.channel) == (Status.DELIVERED, "email")


@pytest.mark.parametrize(
    ("outcome", "to"),
    [
        (OutcomeClass.RECIPIENT, Status.FAILED),
        (OutcomeClass.CONTENT, Status.FAILED),
        (OutcomeClass.WEAK_RECIPIENT, Status.FAILED),
        (OutcomeClass.TRANSIENT, Status.FAILED),
        (None, Status.FAILED),
        (OutcomeClass.AMBIGUOUS, Status.FAILED),
        (OutcomeClass.CONFIG, Status.SCHEDULED),
    ],
)
def test_a_bounce_of_any_class_has_its_end(outcome, to):
    row = a_sent_message()
    hear(told(ReceiptKind.BOUNCED, attempt_of(row), outcome_class=outcome, code="5.0.0"))
    row.refresh_from_db()
    assert row.status == to


def test_a_full_mailbox_marks_the_address_at_the_third_time_only():
    row = a_sent_message()
    point = attempt_of(row).contact_point
    for times in (1, 2, 3):
        if times > 1:
            Communication.objects.filter(id=row.id).update(attempt_count=times)
            an_attempt(row)
        weak = {"outcome_class": OutcomeClass.WEAK_RECIPIENT, "code": "552 5.2.2"}
        hear(told(ReceiptKind.BOUNCED, attempt_of(row), **weak))
        point.refresh_from_db()
        assert (point.undeliverable_at is not None) == (times == 3)


def test_bad_news_of_an_earlier_attempt_moves_nothing():
    row = a_sent_message()
    earlier = attempt_of(row)
    an_attempt(row)
    hear(told(ReceiptKind.BOUNCED, earlier))
    row.refresh_from_db()
    earlier.refresh_from_db()
    assert (row.status, earlier.delivery_status) == (Status.SENT, AttemptStatus.UNDELIVERED)


def test_bad_news_moves_nothing_once_another_attempt_arrived():
    row = a_sent_message()
    hear(told(ReceiptKind.DELIVERED, attempt_of(row)))
    an_attempt(row)
    hear(told(ReceiptKind.BOUNCED, attempt_of(row)))
    row.refresh_from_db()
    assert row.status == Status.DELIVERED


def test_doubt_ends_with_the_news():
    arrived, lost = a_sent_message(Status.IN_DOUBT), a_sent_message(Status.IN_DOUBT)
    hear(told(ReceiptKind.ACCEPTED, attempt_of(arrived)), told(ReceiptKind.UNDELIVERED, attempt_of(lost)))
    arrived.refresh_from_db()
    lost.refresh_from_db()
    assert (arrived.status, lost.status) == (Status.SENT, Status.FAILED)


# -- Words and keys ----------------------------------------------------------------------------------------
def test_the_provider_s_words_move_under_the_client_s_key():
    row = a_sent_message()
    receipt = told(ReceiptKind.BOUNCED, attempt_of(row))
    receive([receipt])
    assert b"example.com" not in bytes(Receipt.objects.get().payload)
    process_due(actor="worker:a", now=clock.now())
    assert Receipt.objects.get().payload is None
    event = DeliveryEvent.objects.get(communication=row, cause=Cause.BOUNCED)
    key = load_keys([row.client.data_key_id])[row.client.data_key_id]
    assert unseal(DeliveryEvent, "payload", event.payload, key) == receipt.payload


def test_of_an_erased_client_class_and_time_stay():
    row = a_sent_message()
    destroy_key(row.client.data_key_id, now=clock.now())
    hear(told(ReceiptKind.DELIVERED, attempt_of(row)))
    event = DeliveryEvent.objects.get(communication=row, cause=Cause.RECEIPT)
    assert (event.payload, Receipt.objects.get().payload) == (None, None)


def test_they_are_forgotten_after_30_days():
    hear(told(ReceiptKind.DELIVERED, uuid4()))
    assert purge(now=clock.now() + timedelta(days=29)) == 0
    assert purge(now=clock.now() + timedelta(days=31)) == 1


# -- Trouble -----------------------------------------------------------------------------------------------
def test_one_that_cannot_be_read_holds_up_nobody_and_is_shown():
    row = a_sent_message()
    receive([told(ReceiptKind.UNREAD, None), told(ReceiptKind.DELIVERED, attempt_of(row))])
    for minutes in range(6):
        process_due(actor="worker:a", now=clock.now() + timedelta(minutes=minutes))
    row.refresh_from_db()
    assert row.status == Status.DELIVERED
    rejected = Receipt.objects.get(kind=ReceiptKind.UNREAD)
    assert (rejected.verdict, rejected.failures) == (ReceiptVerdict.REJECTED, 3)
    assert AttentionItem.objects.get().kind == AttentionKind.RECEIPT_REJECTED


def test_unread_ones_are_read_when_they_are_processed(monkeypatch):
    row = a_sent_message()

    def reader(payload, received_at):
        return told(ReceiptKind.DELIVERED, None, message_id=payload["about"], payload={"short": True})

    monkeypatch.setitem(receipt_effects._readers, PROVIDER, reader)
    hear(told(ReceiptKind.UNREAD, None, payload={"about": attempt_of(row).message_id}))
    row.refresh_from_db()
    assert row.status == Status.DELIVERED


def test_the_cost_does_not_grow_with_the_number(django_assert_max_num_queries):
    rows = [a_sent_message() for _ in range(8)]
    receive([told(ReceiptKind.BOUNCED, attempt_of(row), outcome_class=OutcomeClass.CONTENT) for row in rows])
    now = clock.now()
    with django_assert_max_num_queries(32):
        process_due(actor="worker:a", now=now)
    assert set(Communication.objects.values_list("status", flat=True)) == {Status.FAILED}
