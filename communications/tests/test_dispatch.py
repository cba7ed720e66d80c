"""Claim → check → fence → call → record, against the real database and a real SMTP server."""

import threading
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from clients.models import Client, ContactPoint
from clients.services.gate import bump_gate
from communications.choices import AttemptStatus, Cause, OutcomeClass, Status, Urgency
from communications.models import Communication, DeliveryAttempt, DeliveryEvent
from communications.rules.retry import RETRY_AFTER_MINUTES
from communications.selectors.sending import load_jobs
from communications.services import attempts, calls, outcomes
from communications.services.checking import check_jobs
from communications.services.dispatch import dispatch_due
from communications.services.journal import JournalLine, close_own_journal, journal_directory, own_journal
from communications.services.queue import claim_due, release_lapsed
from communications.services.reconcile import reconcile
from communications.tests.factories import a_communication
from core import clock
from core.models import AttentionItem
from core.sealing import destroy_key, load_keys, unseal
from sandbox.testing import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]


def due_again(row: Communication) -> None:
    """As if the waiting time had passed."""
    Communication.objects.filter(id=row.id, status=Status.SCHEDULED).update(due_at=clock.now())


def lapse(row: Communication) -> None:
    """As if the lease had run out, its worker gone."""
    Communication.objects.filter(id=row.id).update(lease_expires_at=clock.now() - timedelta(seconds=1))


def story(row: Communication) -> list[str]:
    return list(row.events.order_by("id").values_list("cause", flat=True))


def test_a_due_communication_is_sent_once_and_tells_its_story(smtp: Sandbox) -> None:
    row = a_communication()
    assert dispatch_due() == 1
    assert dispatch_due() == 0
    row.refresh_from_db()
    attempt = row.attempts.get()
    assert row.status == Status.SENT
    assert row.sent_at is not None
    assert row.html_sha256
    assert (attempt.delivery_status, attempt.number) == (AttemptStatus.ACCEPTED, 1)
    assert story(row) == [Cause.PLANNED, Cause.CLAIMED, Cause.ACCEPTED]
    assert [mail.message_id for mail in smtp.messages()] == [attempt.message_id]


def test_what_is_not_due_stays(smtp: Sandbox) -> None:
    row = a_communication(send_at=clock.now() + timedelta(hours=1))
    assert dispatch_due() == 0
    row.refresh_from_db()
    assert row.status == Status.SCHEDULED
    assert smtp.messages() == []


def test_urgent_rows_are_claimed_first(smtp: Sandbox) -> None:
    rows = {urgency: a_communication() for urgency in reversed(Urgency)}
    for priority, urgency in enumerate(Urgency):
        Communication.objects.filter(id=rows[urgency].id).update(priority=(1, 3, 5, 7)[priority])
    claim = claim_due(limit=2, offset=timedelta(), worker="worker:a")
    assert claim is not None
    assert set(claim.ids) == {rows[Urgency.CRITICAL].id, rows[Urgency.HIGH].id}


def test_two_workers_never_claim_the_same_row(smtp: Sandbox) -> None:
    rows = {a_communication().id for _ in range(30)}
    ready = threading.Barrier(3)
    claimed: list[tuple[Any, ...]] = []

    def work(name: str) -> None:
        ready.wait()
        while claim := claim_due(limit=4, offset=timedelta(), worker=name):
            claimed.append(claim.ids)
        connection.close()

    threads = [threading.Thread(target=work, args=(f"worker:{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [identifier for ids in claimed for identifier in ids]
    assert len(everything) == len(set(everything))
    assert set(everything) == rows


@pytest.mark.parametrize("workers", [3])
def test_workers_side_by_side_send_each_mail_once(smtp: Sandbox, workers: int) -> None:
    """REL-6"""
    rows = [a_communication() for _ in range(60)]

    def work() -> None:
        dispatch_due()
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent = [mail.message_id for mail in smtp.messages()]
    assert len(sent) == len(set(sent)) == len(rows)
    assert set(Communication.objects.values_list("status", flat=True)) == {Status.SENT}


def claimed_and_checked() -> tuple[Any, list[Any]]:
    claim = claim_due(limit=10, offset=timedelta(), worker="worker:a")
    assert claim is not None
    cleared = check_jobs(
        jobs=load_jobs(claim.ids), lease_token=claim.lease_token, actor="worker:a", now=clock.now()
    )
    return claim, cleared


def fence(claim: Any, cleared: list[Any]) -> dict[Any, int]:
    return attempts.begin_calls(
        [
            attempts.PlannedCall(
                communication_id=item.job.communication_id,
                client_id=item.job.client_id,
                lease_token=claim.lease_token,
                gate_version=item.job.row["gate_version"],
                send_before=item.send_before,
                attempt_id=uuid4(),
                contact_point_id=item.contact_point.id,
                message_id="<x@planiva.example>",
                channel="email",
                provider="smtp",
            )
            for item in cleared
        ],
        offset=timedelta(),
    )


@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(lambda row: bump_gate(client_ids=[row.client_id]), id="the client's gate moved"),
        pytest.param(
            lambda row: Communication.objects.filter(id=row.id).update(cancel_requested=True),
            id="somebody asked to cancel",
        ),
        pytest.param(lapse, id="the lease ran out"),
        pytest.param(
            lambda row: Communication.objects.filter(id=row.id).update(lease_token=uuid4()),
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
    while clock.now() < cleared[0].send_before:
        time.sleep(0.05)  # the database's own clock decides; nothing else can be waited for
    assert fence(claim, cleared) == {}


def test_the_fence_waits_for_a_change_that_is_being_committed(smtp: Sandbox) -> None:
    """An opt-out under way is obeyed: the fence sees it as soon as it is committed (engine.md, Fence)."""
    row = a_communication()
    claim, cleared = claimed_and_checked()
    bumped, fenced = threading.Event(), threading.Event()
    result: list[dict[Any, int]] = []

    def opt_out() -> None:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(
                "UPDATE crm_clients SET gate_version = gate_version + 1 WHERE id = %s", [row.client_id]
            )
            bumped.set()
            wait_until_somebody_waits_for_a_lock()
            cursor.execute("COMMIT")
        connection.close()

    def pass_fence() -> None:
        bumped.wait()
        result.append(fence(claim, cleared))
        fenced.set()
        connection.close()

    threads = [threading.Thread(target=opt_out), threading.Thread(target=pass_fence)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert result == [{}]


def wait_until_somebody_waits_for_a_lock() -> None:
    deadline = time.monotonic() + 10
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(
                "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
                "WHERE NOT l.granted AND a.datname = current_database()"
            )
            if cursor.fetchone()[0]:
                return
    raise AssertionError("nobody waited")


def test_a_row_that_changed_since_its_check_is_checked_anew_and_sent(smtp: Sandbox) -> None:
    row = a_communication()
    bump_gate(client_ids=[row.client_id])
    dispatch_due()
    row.refresh_from_db()
    assert row.status == Status.SENT
    assert len(smtp.messages()) == 1


def test_cancel_asked_for_while_sending_is_honoured(smtp: Sandbox) -> None:
    row = a_communication()
    Communication.objects.filter(id=row.id).update(cancel_requested=True)
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, smtp.messages()) == (Status.CANCELLED, [])


def test_a_passing_trouble_is_retried_after_1_5_and_15_minutes_and_then_fails(smtp: Sandbox) -> None:
    """REL-1, DB-7, REL-3"""
    smtp.behave("refuse", code=451, text="4.3.0 try later")
    row = a_communication()
    for minutes in RETRY_AFTER_MINUTES:
        dispatch_due()
        row.refresh_from_db()
        assert row.status == Status.SCHEDULED
        assert row.due_at is not None
        waited = (row.due_at - clock.now()) / timedelta(minutes=minutes)
        assert 0.89 < waited < 1.11
        due_again(row)
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, row.outcome_code, row.attempts.count()) == (Status.FAILED, "451 4.3.0", 4)
    assert row.failed_at is not None
    assert AttentionItem.objects.get().kind == "delivery_failed"
    assert smtp.messages() == []


def test_a_retry_that_gets_through_sends_one_mail(smtp: Sandbox) -> None:
    smtp.behave("refuse", code=421, text="4.4.2 busy", count=1)
    row = a_communication()
    dispatch_due()
    due_again(row)
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, row.retry_count, len(smtp.messages())) == (Status.SENT, 1, 1)


def test_a_dead_address_is_marked_and_staff_are_told(smtp: Sandbox) -> None:
    smtp.behave("refuse", code=550, text="5.1.1 no such user")
    row = a_communication()
    gate = Client.objects.get(id=row.client_id).gate_version
    dispatch_due()
    row.refresh_from_db()
    point = ContactPoint.objects.get(client_id=row.client_id)
    assert row.status == Status.FAILED
    assert point.undeliverable_code == "550 5.1.1"
    assert Client.objects.get(id=row.client_id).gate_version > gate
    assert AttentionItem.objects.get().details == {"code": "550 5.1.1", "reason": "recipient_refused"}


def test_a_refused_sender_never_marks_the_address(smtp: Sandbox) -> None:
    smtp.behave("refuse", code=550, text="5.7.1 your domain is not welcome")
    row = a_communication()
    dispatch_due()
    row.refresh_from_db()
    assert row.status == Status.FAILED
    assert ContactPoint.objects.get(client_id=row.client_id).undeliverable_at is None


def test_an_address_that_fails_weakly_three_times_in_a_row_is_marked(smtp: Sandbox) -> None:
    smtp.behave("refuse", code=552, text="5.2.2 mailbox full")
    row = a_communication()
    dispatch_due()
    due_again(row)
    dispatch_due()
    row.refresh_from_db()
    point = ContactPoint.objects.get(client_id=row.client_id)
    assert (row.status, point.undeliverable_at) == (Status.FAILED, None)
    client = Client.objects.get(id=row.client_id)
    again = a_communication(client_reference=client.reference, context={"client_email": point.address})
    dispatch_due()
    again.refresh_from_db()
    point.refresh_from_db()
    assert (again.status, point.undeliverable_code) == (Status.FAILED, "552 5.2.2")


def test_an_answer_that_never_came_is_in_doubt_and_not_repeated(smtp: Sandbox) -> None:
    smtp.behave("drop_after_data")
    row = a_communication()
    dispatch_due()
    row.refresh_from_db()
    assert row.status == Status.IN_DOUBT
    assert row.attempts.get().delivery_status == AttemptStatus.UNKNOWN
    assert AttentionItem.objects.get().kind == "in_doubt"
    smtp.behave("accept")
    reconcile(actor="worker:b")
    assert dispatch_due() == 0
    assert len(smtp.messages()) == 1


def test_a_connection_lost_before_the_message_left_is_a_passing_trouble(smtp: Sandbox) -> None:
    smtp.behave("drop_before_data")
    row = a_communication()
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, smtp.messages()) == (Status.SCHEDULED, [])


def test_a_worker_lost_before_the_fence_costs_a_lease(smtp: Sandbox) -> None:
    row = a_communication()
    claimed_and_checked()
    lapse(row)
    assert reconcile(actor="worker:b") == 1
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, row.lapsed_leases, len(smtp.messages())) == (Status.SENT, 1, 1)


def test_a_row_that_loses_its_worker_five_times_fails_and_is_shown(smtp: Sandbox) -> None:
    row = a_communication()
    for _ in range(5):
        claim = claim_due(limit=10, offset=timedelta(), worker="worker:a")
        assert claim is not None
        lapse(row)
        release_lapsed(actor="worker:b")
    row.refresh_from_db()
    assert row.status == Status.FAILED
    assert story(row)[-1] == Cause.LEASE_LAPSED_TOO_OFTEN


def test_a_row_that_loses_its_workers_is_claimed_alone(smtp: Sandbox) -> None:
    suspicious, other = a_communication(), a_communication()
    Communication.objects.filter(id=suspicious.id).update(lapsed_leases=3)
    first = claim_due(limit=10, offset=timedelta(), worker="worker:a")
    second = claim_due(limit=10, offset=timedelta(), worker="worker:a")
    assert first is not None
    assert second is not None
    assert (first.ids, second.ids) == ((other.id,), (suspicious.id,))


def a_fenced_call() -> tuple[Communication, JournalLine]:
    row = a_communication()
    claim, cleared = claimed_and_checked()
    ((attempt_id, number),) = fence(claim, cleared).items()
    line = JournalLine(
        communication_id=row.id,
        attempt_id=attempt_id,
        attempt_number=number,
        lease_token=claim.lease_token,
        outcome_class=OutcomeClass.ACCEPTED,
        code="250 2.0.0",
        provider_message_id=attempt_id.hex,
        retry_after_seconds=None,
        at=clock.now(),
    )
    return row, line


def test_a_lost_workers_journal_tells_that_the_call_was_accepted(smtp: Sandbox) -> None:
    row, line = a_fenced_call()
    own_journal().append(line)
    close_own_journal()
    lapse(row)
    reconcile(actor="worker:b")
    reconcile(actor="worker:b")
    row.refresh_from_db()
    assert (row.status, story(row).count(Cause.ACCEPTED)) == (Status.SENT, 1)
    assert list(journal_directory().glob("*.jsonl")) == []


def test_a_journal_found_after_the_lease_was_released_is_late_evidence(smtp: Sandbox) -> None:
    row, line = a_fenced_call()
    lapse(row)
    release_lapsed(actor="worker:b")
    row.refresh_from_db()
    assert row.status == Status.IN_DOUBT
    own_journal().append(line)
    close_own_journal()
    reconcile(actor="worker:b")
    row.refresh_from_db()
    assert (row.status, row.attempts.get().delivery_status) == (Status.SENT, AttemptStatus.ACCEPTED)


def test_a_late_refusal_frees_a_row_in_doubt(smtp: Sandbox) -> None:
    row, line = a_fenced_call()
    lapse(row)
    release_lapsed(actor="worker:b")
    refused = JournalLine(**{**vars(line), "outcome_class": OutcomeClass.TRANSIENT, "code": "451"})
    outcomes.record(ended=[outcomes.Ended(refused)], actor="worker:b", now=clock.now())
    row.refresh_from_db()
    assert (row.status, story(row)[-1]) == (Status.SCHEDULED, Cause.EVIDENCE_NOT_ARRIVED)


def test_recording_twice_changes_nothing(smtp: Sandbox) -> None:
    row, line = a_fenced_call()
    outcomes.record(ended=[outcomes.Ended(line)], actor="worker:a", now=clock.now())
    events = DeliveryEvent.objects.count()
    outcomes.record(ended=[outcomes.Ended(line)], actor="worker:b", now=clock.now())
    assert DeliveryEvent.objects.count() == events
    row.refresh_from_db()
    assert row.status == Status.SENT


def test_lines_that_cannot_be_stored_are_set_aside_and_block_nothing(smtp: Sandbox) -> None:
    row, line = a_fenced_call()
    foreign = JournalLine(**{**vars(line), "attempt_id": uuid4()})
    journal = own_journal()
    journal.append(foreign)
    journal.append(line)
    with journal.path.open("ab") as file:
        file.write(b"{torn")
    close_own_journal()
    reconcile(actor="worker:b")
    row.refresh_from_db()
    (rejected,) = journal_directory().glob("*.rejected")
    assert row.status == Status.SENT
    assert len(rejected.read_bytes().splitlines()) == 2
    assert AttentionItem.objects.get().kind == "journal_rejected"


def test_a_live_workers_journal_is_left_alone(smtp: Sandbox) -> None:
    row, line = a_fenced_call()
    own_journal().append(line)
    reconcile(actor="worker:b")
    row.refresh_from_db()
    assert row.status == Status.SENDING
    assert own_journal().path.exists()


def test_a_call_that_would_begin_too_late_is_not_made(smtp: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MUST_BEGIN_WITHIN_SECONDS", -1.0)
    row = a_communication()
    dispatch_due(seconds=0.001)
    row.refresh_from_db()
    assert row.attempts.get().delivery_status == AttemptStatus.NOT_CALLED
    assert (row.status, smtp.messages()) == (Status.SCHEDULED, [])


def test_what_the_provider_said_is_sealed_and_goes_with_the_clients_key(smtp: Sandbox) -> None:
    """Destroying one key erases context, content and receipts at once (SEC-3)."""
    smtp.behave("refuse", code=550, text="5.1.1 <priya@example.com> unknown")
    row = a_communication()
    dispatch_due()
    row.refresh_from_db()
    event = row.events.get(to_status=Status.FAILED)
    attempt = row.attempts.get()
    key_id = row.client.data_key_id
    key = load_keys([key_id])[key_id]
    assert "priya@example.com" in unseal(DeliveryEvent, "payload", event.payload, key)
    assert "priya@example.com" in unseal(DeliveryAttempt, "error_message", attempt.error_message, key)
    destroy_key(key_id, now=clock.now())
    assert load_keys([key_id]) == {}
    (job,) = load_jobs([row.id])
    assert job.key is None


def test_a_client_whose_key_is_gone_is_never_written_to(smtp: Sandbox) -> None:
    row = a_communication()
    destroy_key(row.client.data_key_id, now=clock.now())
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, smtp.messages()) == (Status.CANCELLED, [])


def test_a_batch_costs_a_fixed_number_of_queries(smtp: Sandbox, django_assert_max_num_queries: Any) -> None:
    for _ in range(16):
        a_communication()
    with django_assert_max_num_queries(45):
        assert dispatch_due() == 16
