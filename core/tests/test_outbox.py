"""The outbox hands every event to every consumer, in order, whatever commits first."""

from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from core import outbox
from core.models import OutboxEvent
from core.tests.outbox_reader import NOW, consume_until, publish
from core.tests.races import Call, Gate, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("only_own_consumers")]


def test_events_arrive_in_order_and_once(reader):
    publish("plan:1", "plan:2")
    publish("client:1", topic="client.changed")
    publish("other:1", topic="nobody.cares")
    consume_until(reader, "plan:1", "plan:2", "client:1")
    assert outbox.consume_all(NOW) == 0
    assert reader.seen == ["plan:1", "plan:2", "client:1"]


def test_an_event_carries_its_data():
    got = []
    outbox.consumer("collector", ["plan.changed"])(got.extend)
    with transaction.atomic():
        outbox.publish("plan.changed", subject="plan:1", data={"stage": 4, "fields": ["event_date"]})
    wait_until(lambda: outbox.consume_all(NOW))
    (event,) = got
    assert (event.topic, event.subject, event.data) == (
        "plan.changed",
        "plan:1",
        {"stage": 4, "fields": ["event_date"]},
    )
    assert abs(event.created_at - timezone.now()) < timedelta(minutes=1)


def test_what_is_rolled_back_never_happened(reader):
    with suppress(RuntimeError), transaction.atomic():
        outbox.publish("plan.changed", subject="plan:1")
        raise RuntimeError
    publish("plan:2")
    consume_until(reader, "plan:2")


def test_many_events_are_one_statement(django_assert_num_queries):
    with transaction.atomic(), django_assert_num_queries(1):
        outbox.publish_many([outbox.Publication("plan.changed", f"plan:{n}") for n in range(50)])
        outbox.publish_many([])


@pytest.mark.parametrize(
    ("subject", "data"),
    [("asha@example.org", {}), ("", {}), ("plan:1", {"to": "+91 98765 43210"}), ("plan:1", {"a": {"b": 1}})],
)
def test_events_hold_references_only(subject, data):
    with pytest.raises(ValueError, match=r"subject|value"):
        outbox.publish("plan.changed", subject=subject, data=data)


def test_an_event_that_commits_late_is_not_skipped(reader):
    """The earlier id commits last: it must be seen, and before the later one."""
    may_commit, has_inserted = Gate(), Gate()

    def slow() -> None:
        with transaction.atomic():
            outbox.publish("plan.changed", subject="early")
            has_inserted.open()
            may_commit.wait()

    call = Call(slow)
    has_inserted.wait()
    publish("late")
    assert [row.subject for row in OutboxEvent.objects.order_by("id")] == ["late"]
    for _ in range(3):
        outbox.consume_all(NOW)
    assert reader.seen == []
    may_commit.open()
    call.finish()
    consume_until(reader, "early", "late")


def test_a_transaction_that_started_earlier_and_writes_later_keeps_its_place(reader):
    """Transaction ids, not row ids, are the order: the cursor must not pass a lower transaction."""
    may_write, has_id = Gate(), Gate()

    def slow() -> None:
        with transaction.atomic():
            with connection.cursor() as sql:
                sql.execute("SELECT pg_current_xact_id()")
            has_id.open()
            may_write.wait()
            outbox.publish("plan.changed", subject="old transaction, new row")

    call = Call(slow)
    has_id.wait()
    publish("new transaction, old row")
    outbox.consume_all(NOW)
    assert reader.seen == []
    may_write.open()
    call.finish()
    consume_until(reader, "old transaction, new row", "new transaction, old row")


def test_a_lower_row_id_in_a_later_transaction_is_not_skipped(reader):
    """The cursor stands on a high row id of an early transaction; the late one's row has a lower id."""
    early_may_write, late_may_commit, early_has_id, late_has_inserted = Gate(), Gate(), Gate(), Gate()

    def early() -> None:
        with transaction.atomic():
            with connection.cursor() as sql:
                sql.execute("SELECT pg_current_xact_id()")
            early_has_id.open()
            early_may_write.wait()
            outbox.publish("plan.changed", subject="early, high id")

    def late() -> None:
        with transaction.atomic():
            outbox.publish("plan.changed", subject="late, low id")
            late_has_inserted.open()
            late_may_commit.wait()

    first = Call(early)
    early_has_id.wait()
    second = Call(late)
    late_has_inserted.wait()
    early_may_write.open()
    first.finish()
    consume_until(reader, "early, high id")
    late_may_commit.open()
    second.finish()
    consume_until(reader, "early, high id", "late, low id")
