"""Urgent first, whatever the workers are busy with (engine.md §Delivery)."""

from datetime import timedelta

import pytest

from communications.choices import Status
from communications.connectors.base import Connector
from communications.gateway import connector_for
from communications.models import Communication
from communications.rules.message_types import PRIORITIES
from communications.services.dispatch import dispatch_due
from communications.services.lanes import bulk_lane, express_lane
from communications.services.queue import claim_due
from communications.tests.factories import a_communication
from core.choices import Channel
from core.tests.races import Call, Gate, wait_until
from sandbox.testing import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]

LOW, NORMAL, HIGH, CRITICAL = (7, 5, 3, 1)


def due_rows(count: int, priority: int) -> list[Communication]:
    rows = [a_communication() for _ in range(count)]
    Communication.objects.filter(id__in=[row.id for row in rows]).update(priority=priority)
    return rows


def test_a_critical_message_overtakes_a_worker_full_of_slow_calls(smtp: Sandbox) -> None:
    """The same process, the same provider: bulk waits for answers, the express lane does not wait for bulk."""
    low = due_rows(20, LOW)
    smtp.behave("delay", seconds=15, count=20)
    bulk = Call(lambda: dispatch_due(seconds=0))
    wait_until(smtp.messages)
    smtp.behave("accept")
    critical = a_communication()
    assert dispatch_due(lane=express_lane()) == 1
    critical.refresh_from_db()
    assert critical.status == Status.SENT
    assert Communication.objects.filter(id__in=[row.id for row in low], status=Status.SENT).count() == 0
    bulk.finish()


def test_the_express_lane_leaves_the_rest_alone(smtp: Sandbox) -> None:
    due_rows(1, NORMAL)
    due_rows(1, LOW)
    high = due_rows(1, HIGH)[0]
    assert dispatch_due(lane=express_lane()) == 1
    assert Communication.objects.get(status=Status.SENT).id == high.id


def test_both_lanes_together_keep_to_the_connectors_concurrency(smtp: Sandbox) -> None:
    connector: Connector = connector_for(Channel.EMAIL)
    assert (
        bulk_lane().calls_at_once(connector) + express_lane().calls_at_once(connector)
        == connector.concurrency
    )


def test_a_claim_shares_its_room_and_is_in_order(smtp: Sandbox) -> None:
    for priority in (LOW, NORMAL, HIGH, CRITICAL):
        due_rows(8, priority)
    claim = claim_due(limit=16, offset=timedelta(), worker="worker:a")
    assert claim is not None
    priorities = dict(Communication.objects.values_list("id", "priority"))
    claimed = [priorities[row] for row in claim.ids]
    assert claimed == sorted(claimed)
    assert [claimed.count(each) for each in PRIORITIES] == [8, 4, 3, 1]


def test_who_comes_while_a_run_is_under_way_is_not_forgotten(smtp: Sandbox) -> None:
    """A wake-up in the middle of a run: the run looks again before it ends, so the row does not wait for a sweep."""
    lane = bulk_lane()
    first = a_communication()
    smtp.behave("delay", seconds=8, count=1)
    running = Call(lambda: dispatch_due(lane=lane, seconds=0))
    wait_until(smtp.messages)
    second = a_communication()
    assert dispatch_due(lane=lane) == 0, "one run at a time in a process"
    assert running.finish() == 2
    for row in (first, second):
        row.refresh_from_db()
        assert row.status == Status.SENT


def test_a_worker_that_is_stopped_gives_back_what_it_has_not_called(smtp: Sandbox) -> None:
    rows = due_rows(30, LOW)
    stopped = Gate()
    smtp.behave("delay", seconds=1, count=12)
    running = Call(lambda: dispatch_due(lane=bulk_lane(), is_stopped=stopped.is_open))
    wait_until(smtp.messages)
    stopped.open()
    running.finish()
    statuses = list(
        Communication.objects.filter(id__in=[row.id for row in rows]).values_list("status", flat=True)
    )
    assert set(statuses) == {Status.SENT, Status.SCHEDULED}
    assert len(smtp.messages()) == statuses.count(Status.SENT)


def test_normal_is_served_beside_an_endless_queue_of_high(smtp: Sandbox) -> None:
    (normal,) = due_rows(1, NORMAL)
    due_rows(40, HIGH)
    dispatch_due(lane=bulk_lane(), seconds=0)
    normal.refresh_from_db()
    assert normal.status == Status.SENT
    assert Communication.objects.filter(status=Status.SCHEDULED, priority=HIGH).exists()
