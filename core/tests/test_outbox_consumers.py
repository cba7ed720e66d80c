"""Consumers share nothing, fail alone, and leave old events to be purged."""

from datetime import timedelta

import pytest
from django.db import connection

from core import outbox, outbox_restore
from core.models import AttentionItem, OutboxCursor, OutboxEvent
from core.tests.outbox_reader import NOW, Reader, consume_until, publish
from core.tests.races import Call, Gate, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("only_own_consumers")]


def test_batches_are_bounded(reader, monkeypatch):
    monkeypatch.setattr(outbox, "BATCH", 3)
    publish(*(f"plan:{n}" for n in range(8)))
    consume_until(reader, *(f"plan:{n}" for n in range(8)))
    assert reader.batches == [3, 3, 2]


def test_consumers_are_independent(reader):
    other = Reader("other", "plan.changed")
    other.fails_on = {"plan:1"}
    publish("plan:1")
    consume_until(reader, "plan:1")
    assert other.seen == []
    other.fails_on = set()
    consume_until(other, "plan:1")
    assert reader.seen == ["plan:1"]


def test_a_handlers_own_changes_vanish_with_its_failure(reader):
    def handle(_events) -> None:
        OutboxCursor.objects.create(consumer="made by the handler")
        raise RuntimeError

    outbox.consumer("writer", ["plan.changed"])(handle)
    publish("plan:1")
    consume_until(reader, "plan:1")
    wait_until(lambda: OutboxCursor.objects.get(consumer="writer").failures)
    assert not OutboxCursor.objects.filter(consumer="made by the handler").exists()


def test_ten_failures_in_a_row_call_a_person_once(reader):
    reader.fails_on = {"plan:1"}
    publish("plan:1", "plan:2")

    def failures() -> int:
        outbox.consume_all(NOW)
        return OutboxCursor.objects.get(consumer="reader").failures

    wait_until(lambda: failures() >= 9)
    assert not AttentionItem.objects.exists()
    wait_until(lambda: failures() >= 15)
    item = AttentionItem.objects.get()
    assert (item.kind, item.target, item.occurrences) == ("outbox_consumer_failing", "consumer:reader", 1)
    assert "asha" not in repr(item.details)
    reader.fails_on = set()
    consume_until(reader, "plan:1", "plan:2")
    assert OutboxCursor.objects.get(consumer="reader").failures == 0


def test_two_workers_never_share_a_batch(reader):
    """While one handler runs, another worker leaves the consumer alone."""
    may_finish, is_running = Gate(), Gate()
    plain = reader.handle

    def slow(events) -> None:
        is_running.open()
        may_finish.wait()
        plain(events)

    outbox._consumers.clear()
    outbox.consumer("reader", ["plan.changed"])(slow)
    publish("plan:1")
    call = Call(lambda: wait_until(lambda: outbox.consume_all(NOW)))
    is_running.wait()
    assert outbox.consume_all(NOW) == 0
    may_finish.open()
    call.finish()
    assert reader.seen == ["plan:1"]


def test_a_new_consumer_gets_what_is_kept(reader):
    publish("plan:1")
    consume_until(reader, "plan:1")
    late = Reader("late", "plan.changed")
    consume_until(late, "plan:1")


def test_a_name_is_taken_once(reader):
    with pytest.raises(ValueError, match="already"):
        Reader("reader", "plan.changed")


def test_old_events_are_purged_once_everybody_has_passed_them(reader):
    idle = Reader("idle", "nobody.publishes")
    publish("plan:1")
    publish("plan:2", topic="nobody.cares")
    OutboxEvent.objects.update(created_at=NOW - timedelta(days=31))
    publish("plan:3")
    consume_until(reader, "plan:1", "plan:3")

    def old_are_gone() -> bool:
        outbox.consume_all(NOW + timedelta(hours=2))
        return OutboxEvent.objects.count() == 1

    wait_until(old_are_gone)
    assert OutboxEvent.objects.get().subject == "plan:3"
    assert idle.seen == []
    publish("plan:4", topic="nobody.publishes")
    consume_until(idle, "plan:4")


def test_without_consumers_old_events_are_purged():
    publish("plan:1")
    OutboxEvent.objects.update(created_at=NOW - timedelta(days=31))
    publish("plan:2")
    outbox.consume_all(NOW)
    assert OutboxEvent.objects.get().subject == "plan:2"


def test_nothing_is_purged_while_a_consumer_is_behind(reader):
    publish("plan:1")
    OutboxEvent.objects.update(created_at=NOW - timedelta(days=31))
    reader.fails_on = {"plan:1"}
    for _ in range(3):
        outbox.consume_all(NOW + timedelta(hours=2))
    reader.fails_on = set()
    consume_until(reader, "plan:1")


def restore_from_a_dump() -> None:
    """What a dump of another server looks like here: its transaction ids are from the future."""
    with connection.cursor() as sql:
        sql.execute("UPDATE crm_outbox SET transaction_id = transaction_id + 1000000000000")
        sql.execute(
            "UPDATE crm_outbox_cursors SET transaction_id = transaction_id + 1000000000000 WHERE transaction_id > 0"
        )


def test_after_a_restore_nothing_is_lost_and_new_events_go_on(reader):
    publish("plan:1")
    consume_until(reader, "plan:1")
    idle = Reader("idle", "nobody.publishes")
    outbox.consume_all(NOW)
    publish("plan:2", "plan:3")
    restore_from_a_dump()
    publish("plan:4")
    publish("plan:5", topic="nobody.publishes")
    consume_until(reader, "plan:1", "plan:2", "plan:3", "plan:4")
    consume_until(idle, "plan:5")
    publish("plan:6")
    consume_until(reader, "plan:1", "plan:2", "plan:3", "plan:4", "plan:6")
    assert not outbox_restore.rebase_if_restored()


def test_a_healthy_outbox_is_not_rebased(reader):
    publish("plan:1")
    consume_until(reader, "plan:1")
    before = list(OutboxEvent.objects.values_list("transaction_id", flat=True))
    assert not outbox_restore.rebase_if_restored()
    assert list(OutboxEvent.objects.values_list("transaction_id", flat=True)) == before
    assert before[0] > 0
