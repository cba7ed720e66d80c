"""Between check and call: what changes there is obeyed (engine.md, Fence)."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from clients.services.gate import bump_gate
from communications.choices import AttemptStatus, Cause, Status
from communications.models import Communication, DeliveryAttempt, QueueEntry
from communications.services import calls, lifecycle
from communications.services.dispatch import dispatch_due
from communications.services.lifecycle import Transition
from communications.services.reconcile import reconcile
from communications.tests.factories import a_communication
from communications.tests.steps import (
    claimed_and_checked,
    fence,
    lapse,
    story,
)
from core import clock
from core.tests.races import Call, Gate, somebody_waits_for_a_lock, wait_until
from sandbox.testing import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]


@transaction.atomic
def change_client(row: Communication) -> None:
    bump_gate(client_ids=[row.client_id])


def cancel(row: Communication) -> None:
    lifecycle.apply(
        [Transition(row.id, Status.CANCELLED, Cause.CALLER_CANCELLED, "staff:1", clock.now())],
        now=clock.now(),
    )


def replan_it(row: Communication) -> None:
    Communication.objects.filter(id=row.id).update(due_at=clock.now() + timedelta(hours=1))


@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(change_client, id="the client's gate moved"),
        pytest.param(cancel, id="somebody cancelled it"),
        pytest.param(replan_it, id="it was given another time"),
        pytest.param(lapse, id="the lease ran out"),
        pytest.param(
            lambda row: QueueEntry.objects.filter(communication=row).update(lease_token=uuid4()),
            id="another worker has it",
        ),
    ],
)
def test_the_fence_lets_nothing_through_that_changed_since_the_check(smtp: Sandbox, happens: Any) -> None:
    row = a_communication()
    claim, cleared = claimed_and_checked()
    happens(row)
    assert fence(claim, cleared) == {}
    row.refresh_from_db()
    assert row.call_started_at is None
    assert DeliveryAttempt.objects.count() == 0


def test_the_fence_closes_with_the_window(smtp: Sandbox) -> None:
    a_communication(deliver_by=clock.now() + timedelta(seconds=1))
    claim, cleared = claimed_and_checked()
    assert cleared
    wait_until(lambda: clock.now() >= cleared[0].send_before)
    assert fence(claim, cleared) == {}


def test_the_fence_waits_for_a_change_that_is_being_committed(smtp: Sandbox) -> None:
    """An opt-out under way is obeyed: the fence sees it as soon as it is committed (engine.md, Fence)."""
    row = a_communication()
    claim, cleared = claimed_and_checked()
    bumped = Gate()

    def opt_out() -> None:
        with transaction.atomic():
            change_client(row)
            bumped.open()
            wait_until(somebody_waits_for_a_lock)

    def pass_fence() -> dict[Any, int]:
        bumped.wait()
        return fence(claim, cleared)

    changing, sending = Call(opt_out), Call(pass_fence)
    changing.finish()
    assert sending.finish() == {}


def test_a_row_that_changed_since_its_check_is_checked_anew_and_sent(smtp: Sandbox) -> None:
    """Somebody changes the client between check and fence: the fence waits for the row, and then refuses."""
    row = a_communication()
    held = Gate()

    def change_between() -> None:
        with transaction.atomic():
            change_client(row)
            held.open()
            wait_until(somebody_waits_for_a_lock)

    changing = Call(change_between)
    held.wait()
    dispatch_due()
    changing.finish()
    row.refresh_from_db()
    assert row.status == Status.SENT
    assert story(row) == [Cause.PLANNED, Cause.CLAIMED, Cause.ACCEPTED]
    assert len(smtp.messages()) == 1


def test_the_fence_is_refused_inside_a_transaction(smtp: Sandbox) -> None:
    a_communication()
    claim, cleared = claimed_and_checked()
    with pytest.raises(RuntimeError), transaction.atomic():
        fence(claim, cleared)


def test_a_worker_lost_before_the_fence_costs_a_lease(smtp: Sandbox) -> None:
    row = a_communication()
    claimed_and_checked()
    lapse(row)
    assert reconcile(actor="worker:b", now=clock.now()) == 1
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, len(smtp.messages())) == (Status.SENT, 1)
    assert story(row) == [Cause.PLANNED, Cause.LEASE_LAPSED_UNCALLED, Cause.CLAIMED, Cause.ACCEPTED]


def test_a_call_that_would_begin_too_late_is_not_made(smtp: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MUST_BEGIN_WITHIN_SECONDS", -1.0)
    row = a_communication()
    dispatch_due(seconds=0.001)
    row.refresh_from_db()
    assert row.attempts.get().delivery_status == AttemptStatus.NOT_CALLED
    assert (row.status, smtp.messages()) == (Status.SCHEDULED, [])
