"""The transactional outbox: what happened is written with what caused it, and read by whoever cares.

Every consumer has a cursor of its own and sees every event of its topics in the order of their transactions.
Handlers run in the transaction that moves their cursor, so their own database changes happen once. They must bear
repetition all the same: what they do elsewhere is not undone, and after a restore events may come again.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Case, F, Min, Q, QuerySet, Value, When

from core import attention
from core.alert_rules import AlertWords
from core.impersonal import require_impersonal_details, require_impersonal_text
from core.logs import get_logger
from core.models.outbox import OutboxCursor, OutboxEvent
from core.outbox_restore import rebase_if_restored
from core.wake import ring

logger = get_logger("outbox")

CONSUME_TASK = "core.consume_outbox"
CONSUMER_FAILING = "outbox_consumer_failing"
CONSUMER_FAILING_ALERT = AlertWords(
    "A part of the system stands still at an event that it cannot handle.",
    "{count} parts of the system stand still at events that they cannot handle.",
)
BATCH = 500
_MAX_BATCHES = 20
_FAILURES_BEFORE_ATTENTION = 10
_KEEP = timedelta(days=30)
_PURGE_LIMIT = 5_000
# An idle consumer's cursor follows this often, so that what it does not care about can be purged.
_IDLE_ADVANCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Publication:
    """An event to publish. `subject` and `data` hold references only."""

    topic: str
    subject: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """A published event, as handlers get it."""

    id: int
    topic: str
    subject: str
    data: Mapping[str, Any]
    created_at: datetime


Handler = Callable[[Sequence[Event]], None]


@dataclass(frozen=True, slots=True)
class _Consumer:
    name: str
    topics: frozenset[str]
    handler: Handler


_consumers: dict[str, _Consumer] = {}


def publish(topic: str, *, subject: str, data: Mapping[str, Any] | None = None) -> None:
    """Adds one event in the caller's transaction and wakes the consumers when it commits."""
    publish_many([Publication(topic, subject, data or {})])


def publish_many(publications: Iterable[Publication]) -> None:
    """Adds events in their order, by one statement, in the caller's transaction."""
    rows = [
        OutboxEvent(
            topic=publication.topic,
            subject=require_impersonal_text("subject", publication.subject),
            data=require_impersonal_details(publication.data, lists=True),
        )
        for publication in publications
    ]
    if rows:
        OutboxEvent.objects.bulk_create(rows)
        ring(CONSUME_TASK)


def consumer(name: str, topics: Collection[str]) -> Callable[[Handler], Handler]:
    """Registers a handler for topics; a new consumer starts with the oldest event that is kept (30 days).

    Register from a module that the app imports in `ready()`. The name is for good: it is the cursor's.
    """

    def register(handler: Handler) -> Handler:
        if name in _consumers:
            raise ValueError(f"There already is a consumer {name!r}.")
        _consumers[name] = _Consumer(name, frozenset(topics), handler)
        return handler

    return register


def consume_all(now: datetime) -> int:
    """Hands every consumer what is new for it, then purges. Returns how many events were handled.

    A consumer whose cursor another worker holds is left to that worker.
    """
    handled = 0
    _make_missing_cursors()
    rebase_if_restored()
    for registered in list(_consumers.values()):
        for _ in range(_MAX_BATCHES):
            count = _consume_batch(registered, now)
            handled += count
            if count < BATCH:
                break
    _purge(now)
    return handled


def _make_missing_cursors() -> None:
    """Committed on their own, before any handler runs: a cursor must be there to be locked and to count failures."""
    known = set(OutboxCursor.objects.values_list("consumer", flat=True))
    missing = [OutboxCursor(consumer=name) for name in _consumers if name not in known]
    OutboxCursor.objects.bulk_create(missing, ignore_conflicts=True)


def _consume_batch(registered: _Consumer, now: datetime) -> int:
    head: OutboxEvent | None = None
    try:
        with transaction.atomic():
            cursor = _lock_cursor(registered.name)
            if cursor is None:
                return 0
            horizon = _horizon()
            rows = list(_unread(registered, cursor, horizon)[:BATCH])
            if not rows:
                _follow_idle(cursor, horizon, now)
                return 0
            head = rows[0]
            registered.handler([_event(row) for row in rows])
            _move(cursor, rows[-1].transaction_id, rows[-1].id, now)
            return len(rows)
    except Exception:
        # Whatever the handler raised: its batch stays and the other consumers go on. Without a batch it was
        # the database, and that is not ours to swallow.
        if head is None:
            raise
        logger.exception("consumer failed, its events stay", consumer=registered.name, event_id=head.id)
        _note_failure(registered.name, head, now)
        return 0


def _lock_cursor(name: str) -> OutboxCursor | None:
    return OutboxCursor.objects.select_for_update(skip_locked=True).filter(consumer=name).first()


def _horizon() -> int:
    """Every transaction below it has ended, so no row below it can still appear."""
    with connection.cursor() as sql:
        sql.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        return int(sql.fetchone()[0])


def _unread(registered: _Consumer, cursor: OutboxCursor, horizon: int) -> QuerySet[OutboxEvent]:
    after = Q(transaction_id__gt=cursor.transaction_id) | Q(id__gt=cursor.event_id)
    return (
        OutboxEvent.objects.filter(
            after, transaction_id__gte=cursor.transaction_id, transaction_id__lt=horizon
        )
        .filter(topic__in=registered.topics)
        .order_by("transaction_id", "id")
    )


def _event(row: OutboxEvent) -> Event:
    return Event(row.id, row.topic, row.subject, row.data, row.created_at)


def _follow_idle(cursor: OutboxCursor, horizon: int, now: datetime) -> None:
    if cursor.updated_at is None or cursor.updated_at <= now - _IDLE_ADVANCE:
        newest = OutboxEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
        _move(cursor, max(cursor.transaction_id, horizon - 1), max(cursor.event_id, newest), now)


def _move(cursor: OutboxCursor, transaction_id: int, event_id: int, now: datetime) -> None:
    OutboxCursor.objects.filter(consumer=cursor.consumer).update(
        transaction_id=transaction_id, event_id=event_id, updated_at=now, failing_event_id=None, failures=0
    )


def _note_failure(name: str, head: OutboxEvent, now: datetime) -> None:
    again = When(failing_event_id=head.id, then=F("failures") + 1)
    with transaction.atomic():
        rows = OutboxCursor.objects.filter(consumer=name)
        rows.update(failures=Case(again, default=Value(1)), failing_event_id=head.id)
        failures = rows.values_list("failures", flat=True).get()
        if failures % _FAILURES_BEFORE_ATTENTION == 0:
            attention.raise_item(
                kind=CONSUMER_FAILING,
                dedupe_key=name,
                target=f"consumer:{name}",
                details={"failures": failures, "topic": head.topic, "event_id": head.id},
                now=now,
            )


def _purge(now: datetime) -> None:
    """Deletes what all consumers have passed and is older than 30 days, some thousands at a time."""
    old = OutboxEvent.objects.filter(created_at__lt=now - _KEEP)
    if _consumers:
        passed = OutboxCursor.objects.filter(consumer__in=_consumers).aggregate(Min("transaction_id"))
        old = old.filter(transaction_id__lt=passed["transaction_id__min"])
    OutboxEvent.objects.filter(id__in=old.order_by("created_at").values("id")[:_PURGE_LIMIT]).delete()
