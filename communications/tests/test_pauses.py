"""The kill switch: what is paused waits, from the commit of the pause on, and goes out when it is lifted (api.md)."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction

from clients.models import Plan
from communications.choices import Cause, MessageType, PauseScope, Status, Urgency
from communications.models import Communication, DeliveryAttempt, DeliveryEvent, Pause, SendingGate
from communications.selectors.pauses import count_waiting, read_sending_gate
from communications.services import pauses
from communications.services.dispatch import dispatch_due
from communications.services.releasing import release_waiting
from communications.services.waiting import waits_for_pause
from communications.tests.factories import a_communication
from communications.tests.steps import claimed_and_checked, fence, story
from core import clock
from core.errors import Conflict, Invalid, NotFound
from core.models import AuditEntry
from core.tests.races import Call, Gate, at_once, somebody_waits_for_a_lock, wait_until
from sandbox.testing import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]


def paused(scope: PauseScope = PauseScope.EVERYTHING, value: str = "", reason: str = "") -> Pause:
    return pauses.pause(scope=scope, value=value, reason=reason, actor="staff:7", now=clock.now()).pause


def lifted(pause: Pause) -> None:
    pauses.lift(pause_id=pause.id, actor="staff:8", now=clock.now())


def plan_of(row: Communication) -> str:
    return Plan.objects.get(id=row.plan_id).reference


@pytest.mark.parametrize(
    ("scope", "value_of", "reason"),
    [
        (PauseScope.EVERYTHING, lambda _row: "", "everything_paused"),
        (PauseScope.CHANNEL, lambda row: row.channel, "channel_paused"),
        (PauseScope.PLAN, plan_of, "plan_paused"),
        (PauseScope.MESSAGE_TYPE, lambda row: row.message_type, "type_paused"),
    ],
)
def test_what_is_paused_waits_and_goes_out_when_that_is_lifted(
    smtp: Sandbox, scope: PauseScope, value_of: Any, reason: str
) -> None:
    row = a_communication(urgency=Urgency.CRITICAL)
    pause = paused(scope, value_of(row))
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, row.waits_for, row.goes_out_at) == (Status.SCHEDULED, waits_for_pause(pause.id), None)
    assert row.events.get(cause=Cause.NOT_NOW).reason == reason
    assert dispatch_due() == 0  # it is claimed once and then lies still
    lifted(pause)
    assert release_waiting(now=clock.now()) == 1
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, row.waits_for, len(smtp.messages())) == (Status.SENT, "", 1)


@pytest.mark.parametrize(
    ("scope", "value"),
    [(PauseScope.CHANNEL, "sms"), (PauseScope.MESSAGE_TYPE, MessageType.REMINDER.value)],
)
def test_what_is_not_meant_goes_out(smtp: Sandbox, scope: PauseScope, value: str) -> None:
    other = a_communication()
    paused(PauseScope.PLAN, plan_of(other))
    paused(scope, value)
    row = a_communication()
    dispatch_due()
    row.refresh_from_db()
    other.refresh_from_db()
    assert (row.status, other.status, len(smtp.messages())) == (Status.SENT, Status.SCHEDULED, 1)


def test_two_pauses_hold_until_both_are_lifted(smtp: Sandbox) -> None:
    row = a_communication()
    everything, email = paused(), paused(PauseScope.CHANNEL, "email")
    dispatch_due()
    lifted(everything)
    release_waiting(now=clock.now())
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, row.waits_for) == (Status.SCHEDULED, waits_for_pause(email.id))
    lifted(email)
    release_waiting(now=clock.now())
    dispatch_due()
    row.refresh_from_db()
    assert row.status == Status.SENT


def test_many_that_wait_are_released_in_batches_and_cost_nobody_a_look(
    smtp: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("communications.services.releasing._BATCH", 2)
    for _ in range(5):
        a_communication()
    pause = paused()
    dispatch_due()
    events = DeliveryEvent.objects.count()
    assert (dispatch_due(), release_waiting(now=clock.now())) == (0, 0)
    assert DeliveryEvent.objects.count() == events
    assert count_waiting([waits_for_pause(pause.id)], cap=3) == {waits_for_pause(pause.id): 4}
    lifted(pause)
    assert release_waiting(now=clock.now()) == 5
    assert dispatch_due() == 5


def test_what_runs_out_of_time_is_left_for_the_next(smtp: Sandbox) -> None:
    a_communication()
    pause = paused()
    dispatch_due()
    lifted(pause)
    assert release_waiting(now=clock.now(), seconds=0.0) == 0
    assert release_waiting(now=clock.now()) == 1


class TestObeyedFromItsCommit:
    def test_a_pause_between_check_and_fence_stops_the_call(self, smtp: Sandbox) -> None:
        a_communication()
        claim, cleared = claimed_and_checked()
        paused()
        assert fence(claim, cleared) == {}
        assert DeliveryAttempt.objects.count() == 0

    def test_lifting_it_again_does_not_open_the_fence_for_the_old_check(self, smtp: Sandbox) -> None:
        a_communication()
        claim, cleared = claimed_and_checked()
        lifted(paused())
        assert fence(claim, cleared) == {}

    def test_the_fence_waits_for_a_pause_that_is_being_committed(self, smtp: Sandbox) -> None:
        a_communication()
        claim, cleared = claimed_and_checked()
        taken = Gate()

        def pull() -> None:
            with transaction.atomic():
                paused()
                taken.open()
                wait_until(somebody_waits_for_a_lock)

        def pass_fence() -> dict[Any, int]:
            taken.wait()
            return fence(claim, cleared)

        pulling, sending = Call(pull), Call(pass_fence)
        pulling.finish()
        assert sending.finish() == {}

    def test_a_worker_under_way_sends_nothing_after_it(self, smtp: Sandbox) -> None:
        """The whole of dispatch: a pause is committed while the fence waits for it."""
        row = a_communication()
        taken = Gate()

        def pull() -> None:
            with transaction.atomic():
                paused()
                taken.open()
                wait_until(somebody_waits_for_a_lock)

        pulling = Call(pull)
        taken.wait()
        dispatch_due()
        pulling.finish()
        row.refresh_from_db()
        assert (row.status, smtp.messages()) == (Status.SCHEDULED, [])
        assert story(row) == [Cause.PLANNED, Cause.NOT_NOW]

    def test_workers_and_a_pause_at_the_same_moment(self, smtp: Sandbox) -> None:
        """What was fenced before the commit is called; after it nothing is."""
        rows = [a_communication() for _ in range(20)]
        pulling = Call(paused)
        sending = [Call(dispatch_due) for _ in range(2)]
        pulling.finish()
        at_commit = DeliveryAttempt.objects.count()
        for worker in sending:
            worker.finish()
        assert DeliveryAttempt.objects.count() == at_commit == len(smtp.messages())
        waiting = Communication.objects.exclude(waits_for="").count()
        assert at_commit + waiting == len(rows)

    def test_fences_do_not_wait_for_each_other(self, smtp: Sandbox) -> None:
        a_communication()
        claim, cleared = claimed_and_checked()
        with transaction.atomic(), connection.cursor() as sql:
            sql.execute("SELECT version FROM crm_sending_gate FOR SHARE")
            passed = Call(lambda: fence(claim, cleared)).finish()
        assert len(passed) == 1

    def test_without_the_gate_nothing_is_sent(self, smtp: Sandbox) -> None:
        a_communication()
        SendingGate.objects.all().delete()
        with pytest.raises(RuntimeError, match="crm_sending_gate"):
            dispatch_due()
        assert smtp.messages() == []
        pauses.ensure_sending_gate(using="default")
        assert read_sending_gate().version == 0


class TestPausing:
    def test_it_is_audited_and_repeating_it_changes_nothing(self) -> None:
        first = pauses.pause(
            scope=PauseScope.CHANNEL, value="sms", reason="Wrong prices", actor="staff:7", now=clock.now()
        )
        again = pauses.pause(
            scope=PauseScope.CHANNEL, value="sms", reason="Something else", actor="staff:9", now=clock.now()
        )
        assert (first.created, again.created, again.pause.id) == (True, False, first.pause.id)
        assert again.pause.reason == "Wrong prices"
        entry = AuditEntry.objects.get(action="sending.paused")
        assert (entry.actor, entry.target) == ("staff:7", f"pause:{first.pause.id}")
        assert entry.details == {"scope": "channel", "value": "sms"}
        assert read_sending_gate().version == 1

    def test_at_once_it_is_one(self) -> None:
        made = at_once(
            4,
            lambda: (
                pauses.pause(
                    scope=PauseScope.EVERYTHING, value="", reason="", actor="staff:7", now=clock.now()
                ).created
            ),
        )
        assert sorted(made) == [False, False, False, True]
        assert Pause.objects.count() == 1

    def test_a_plan_is_audited_by_its_id(self) -> None:
        row = a_communication(plan_reference="wedding-98765-43210-x")
        paused(PauseScope.PLAN, "wedding-98765-43210-x")
        assert AuditEntry.objects.get(action="sending.paused").details["value"] == str(row.plan_id)

    def test_after_lifting_it_may_be_paused_anew(self) -> None:
        first = paused()
        lifted(first)
        assert paused().id != first.id
        assert AuditEntry.objects.filter(action="sending.resumed").count() == 1

    def test_lifting_twice_or_nothing_is_told(self) -> None:
        pause = paused()
        lifted(pause)
        with pytest.raises(Conflict):
            lifted(pause)
        with pytest.raises(NotFound):
            pauses.lift(pause_id=uuid4(), actor="staff:8", now=clock.now())

    @pytest.mark.parametrize(
        ("scope", "value", "reason", "problems"),
        [
            (PauseScope.EVERYTHING, "email", "", {"value": "not_wanted"}),
            (PauseScope.CHANNEL, "", "", {"value": "required"}),
            (PauseScope.CHANNEL, "pigeon", "", {"value": "invalid_choice"}),
            (PauseScope.MESSAGE_TYPE, "newsletter", "", {"value": "invalid_choice"}),
            (PauseScope.PLAN, "nobody-knows", "", {"value": "unknown_plan"}),
            (PauseScope.EVERYTHING, "", "ask priya@example.com", {"reason": "personal"}),
            (PauseScope.EVERYTHING, "", "call +91 98765 43210", {"reason": "personal"}),
            (PauseScope.CHANNEL, "pigeon", "x " * 101, {"value": "invalid_choice", "reason": "max_length"}),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, scope: PauseScope, value: str, reason: str, problems: dict[str, str]
    ) -> None:
        with pytest.raises(Invalid) as refused:
            paused(scope, value, reason)
        assert {problem.field: problem.code for problem in refused.value.problems} == problems
        assert (Pause.objects.count(), read_sending_gate().version) == (0, 0)


def test_what_is_parked_is_in_nobodys_way(smtp: Sandbox) -> None:
    """Neither claims nor the pages' counts walk over it: it is not in the index that they read (PERF-9)."""
    with connection.cursor() as sql:
        sql.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'queue_due_idx'")
        ((definition,),) = sql.fetchall()
    assert "waits_for" in definition.partition("WHERE")[2]


def test_its_expiry_still_holds(smtp: Sandbox) -> None:
    soon = a_communication(deliver_by=clock.now() + timedelta(hours=1))
    later = a_communication()
    paused()
    dispatch_due()
    assert release_waiting(now=clock.now()) == 0
    clock.move_by(timedelta(hours=1))
    assert release_waiting(now=clock.now()) == 1
    dispatch_due()
    soon.refresh_from_db()
    later.refresh_from_db()
    assert (soon.status, later.status) == (Status.CANCELLED, Status.SCHEDULED)
    assert soon.events.last().reason == "cannot_meet_deadline"
    assert later.waits_for
    assert smtp.messages() == []
