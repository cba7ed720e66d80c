"""Every pair of states: what the table says, what `apply` does, and what the database lets through."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from communications.choices import Cause, Status
from communications.models import Communication, DeliveryEvent, QueueEntry
from communications.rules.lifecycle import ALLOWED_PAIRS, INITIAL_STATUSES, decide
from communications.services import lifecycle
from communications.services.lifecycle import Transition
from communications.tests.factories import a_communication, in_status, lease
from core import clock
from core.tests.races import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("smtp", "templates")]

PAIRS = list(itertools.product(Status, Status))


@contextmanager
def no_guard() -> Iterator[None]:
    """Rows may be put into any status. Deferred foreign keys of rows just written would refuse ALTER TABLE."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE crm_communications DISABLE TRIGGER crm_communications_status_guard")
        yield
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE crm_communications ENABLE TRIGGER crm_communications_status_guard")


def put(rows: Sequence[Communication], status: Status) -> None:
    """Force a status, as claimed where it needs a claim; only without the guard."""
    stored = Communication.objects.filter(id__in=[row.id for row in rows])
    stored.update(status=Status.SCHEDULED, due_at=clock.now())
    lease(*rows)
    stored.update(status=status)
    lease(*rows)


def queue_agrees() -> bool:
    """Whether exactly what is scheduled or being sent has its place in the queue: with its own times while it is
    scheduled, with a lease while it is being sent."""
    waiting = Communication.objects.filter(status__in=[Status.SCHEDULED, Status.SENDING])
    places = {entry.communication_id: entry for entry in QueueEntry.objects.all()}
    return places.keys() == set(waiting.values_list("id", flat=True)) and all(
        _fits(row, places[row.id]) for row in waiting
    )


def _fits(row: Communication, place: QueueEntry) -> bool:
    if row.status == Status.SENDING:
        return place.lease_token is not None
    return (row.client_id, row.priority, row.due_at, row.waits_for) == (
        place.client_id,
        place.priority,
        place.due_at,
        place.waits_for,
    )


def test_apply_changes_exactly_the_pairs_of_the_table() -> None:
    """One row for each cause, all asked for the same change from the same start. The guard is away, so that
    only `apply` can refuse."""
    rows = {cause: a_communication() for cause in Cause}
    with no_guard():
        for start, end in PAIRS:
            put(list(rows.values()), start)
            events = DeliveryEvent.objects.count()
            now = clock.now()
            applied = lifecycle.apply(
                [
                    Transition(row.id, end, cause, "staff:1", now, changes={"due_at": now})
                    for cause, row in rows.items()
                ],
                now=now,
            )
            allowed = {cause for cause in Cause if decide(start, end, cause) is not None}
            assert {cause for cause, row in rows.items() if row.id in applied.changed} == allowed, (
                start,
                end,
            )
            assert DeliveryEvent.objects.count() == events + len(allowed)
            assert queue_agrees(), (start, end)
            stored = dict(Communication.objects.values_list("id", "status"))
            for cause, row in rows.items():
                assert stored[row.id] == (end if cause in allowed else start), (start, end, cause)


def test_the_database_refuses_every_pair_that_the_table_does_not_know() -> None:
    rows = {start: a_communication() for start in Status}
    with no_guard():
        for start, row in rows.items():
            put([row], start)
    refused = set()
    for start, end in PAIRS:
        try:
            with transaction.atomic():
                Communication.objects.filter(id=rows[start].id).update(status=end)
                transaction.set_rollback(True)
        except IntegrityError:
            refused.add((start, end))
    same = {(status, status) for status in Status}
    assert refused == set(PAIRS) - ALLOWED_PAIRS - same


@pytest.mark.parametrize("status", list(Status))
def test_the_database_refuses_new_rows_in_the_middle_of_their_life(status: Status) -> None:
    row = a_communication()
    row.id, row.status = uuid4(), status
    row._state.adding = True
    # The request's first communication gives up its channel, so that only the guard can refuse.
    first = row.request.communications.get()
    lifecycle.apply(
        [Transition(first.id, Status.CANCELLED, Cause.CALLER_CANCELLED, "staff:1", clock.now())],
        now=clock.now(),
    )
    if status in INITIAL_STATUSES:
        row.save(force_insert=True)
    else:
        with pytest.raises(IntegrityError), transaction.atomic():
            row.save(force_insert=True)


def test_queue_and_status_agree_after_every_change_whoever_makes_it() -> None:
    """Every pair of the table, by plain UPDATE; and what else may change about a row that waits."""
    rows = {start: a_communication() for start in Status}
    with no_guard():
        for start, end in sorted(ALLOWED_PAIRS):
            put([rows[start]], start)
            assert queue_agrees(), start
            Communication.objects.filter(id=rows[start].id).update(status=end)
            assert queue_agrees(), (start, end)
    row = a_communication()
    for changes in ({"due_at": clock.now()}, {"waits_for": "pause:1"}, {"priority": 7}):
        Communication.objects.filter(id=row.id).update(**changes)
        assert queue_agrees(), changes


def test_a_communication_that_goes_takes_its_place_with_it() -> None:
    row = a_communication()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE crm_delivery_events DISABLE TRIGGER crm_delivery_events_append_only")
    row.events.all().delete()
    Communication.objects.filter(id=row.id).delete()
    assert not QueueEntry.objects.exists()


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(lambda entry: entry.delete(), id="delete"),
        pytest.param(lambda entry: QueueEntry.objects.update(due_at=clock.now()), id="another time"),
        pytest.param(lambda entry: QueueEntry.objects.update(waits_for="pause:1"), id="park"),
        pytest.param(lambda entry: QueueEntry.objects.update(priority=7), id="another priority"),
        pytest.param(
            lambda entry: QueueEntry.objects.create(
                communication_id=uuid4(), client_id=entry.client_id, priority=1, due_at=clock.now()
            ),
            id="insert",
        ),
    ],
)
def test_nobody_changes_the_queue_by_itself(tamper: Callable[[QueueEntry], object]) -> None:
    row = a_communication()
    with pytest.raises(IntegrityError), transaction.atomic():
        tamper(row.queue_entry)
    assert queue_agrees()


def test_nothing_is_being_sent_without_a_lease() -> None:
    """The sweep of lost workers would not find it."""
    row = a_communication()
    with pytest.raises(IntegrityError), transaction.atomic():
        Communication.objects.filter(id=row.id).update(status=Status.SENDING)


@pytest.mark.parametrize("status", list(Status))
def test_factories_reach_every_status_by_legal_steps(status: Status) -> None:
    assert in_status(status).status == status


def test_an_event_tells_time_cause_and_actor_of_every_change() -> None:
    row = in_status(Status.SENT)
    events = list(row.events.order_by("id"))
    assert [(event.from_status, event.to_status) for event in events] == [
        ("", "scheduled"),
        ("scheduled", "sent"),
    ]
    assert all(event.cause and event.actor and event.occurred_at and event.recorded_at for event in events)


def test_the_time_a_status_was_first_reached_stays() -> None:
    row = in_status(Status.SENT)
    first = row.sent_at
    lifecycle.apply(
        [Transition(row.id, Status.OPENED, Cause.RECEIPT, "provider:smtp", clock.now())], now=clock.now()
    )
    lifecycle.apply(
        [Transition(row.id, Status.DELIVERED, Cause.RECEIPT, "provider:smtp", clock.now())], now=clock.now()
    )
    row.refresh_from_db()
    assert (row.status, row.sent_at, row.delivered_at) == (Status.OPENED, first, None)


def test_a_worker_whose_lease_is_gone_changes_nothing() -> None:
    row = in_status(Status.SENDING)
    applied = lifecycle.apply(
        [Transition(row.id, Status.SENT, Cause.ACCEPTED, "worker:old", clock.now(), lease_token=uuid4())],
        now=clock.now(),
    )
    assert applied.changed == {}
    assert len(applied.unchanged) == 1


def test_events_cannot_be_changed_or_deleted() -> None:
    row = a_communication()
    with pytest.raises(IntegrityError), transaction.atomic():
        row.events.update(cause="other")
    with pytest.raises(IntegrityError), transaction.atomic():
        row.events.all().delete()


@pytest.mark.parametrize(
    ("table", "guard"),
    [
        ("crm_delivery_events", "crm_delivery_events_no_truncate"),
        ("crm_communication_template_versions", "crm_template_versions_no_truncate"),
    ],
)
def test_evidence_cannot_be_truncated(table: str, guard: str) -> None:
    a_communication()
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        # Tests that commit need it off; see the root conftest.
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {guard}")
        with pytest.raises(IntegrityError, match=f"{table} is append-only"), transaction.atomic():
            cursor.execute(f"TRUNCATE {table} CASCADE")


@pytest.mark.django_db(transaction=True)
def test_two_opposite_wishes_at_once_end_in_one_of_them() -> None:
    rows = [a_communication() for _ in range(20)]
    orders = iter([rows, rows[::-1]])

    def work() -> int:
        wishes = [
            Transition(row.id, Status.CANCELLED, Cause.CALLER_CANCELLED, "staff:1", clock.now())
            for row in next(orders)
        ]
        return len(lifecycle.apply(wishes, now=clock.now()).changed)

    outcomes = at_once(2, work)
    assert sum(outcomes) == len(rows)
    assert DeliveryEvent.objects.filter(to_status=Status.CANCELLED).count() == len(rows)
