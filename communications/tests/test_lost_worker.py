"""Workers that are gone: leases, journals, late words (REL-6)."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection

from communications.choices import AttemptStatus, Cause, OutcomeClass, Status
from communications.models import Communication, DeliveryEvent, QueueEntry, QueueLease
from communications.services import batch, outcomes
from communications.services.dispatch import dispatch_due
from communications.services.journal import Journal, JournalLine, journal_directory
from communications.services.queue import claim_due, release_lapsed, renew_lease
from communications.services.reconcile import reconcile
from communications.tests.factories import a_communication
from communications.tests.steps import (
    a_fenced_call,
    ask_to_cancel,
    lapse,
    lease_of,
    story,
)
from core import clock
from core.models import AttentionItem
from core.tests.races import Call, wait_until
from sandbox.testing import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]


def leave_behind(*lines: JournalLine, torn: bytes = b"") -> None:
    """The journal of a worker that died."""
    journal = Journal(journal_directory())
    for line in lines:
        journal.append(line)
    with journal.path.open("ab") as file:
        file.write(torn)
    journal.close()


def test_a_wish_to_cancel_is_honoured_when_a_retry_would_be_due(smtp: Sandbox) -> None:
    row, line = a_fenced_call()
    ask_to_cancel(row)
    refused = replace(line, outcome_class=OutcomeClass.TRANSIENT, code="451")
    outcomes.record(ended=[outcomes.Ended(refused)], actor="worker:a", now=clock.now())
    row.refresh_from_db()
    assert row.status == Status.CANCELLED


def test_a_wish_to_cancel_is_honoured_when_doubt_ends_in_a_no(smtp: Sandbox) -> None:
    row, line = a_fenced_call()
    ask_to_cancel(row)
    lapse(row)
    release_lapsed(actor="worker:b", now=clock.now())
    refused = replace(line, outcome_class=OutcomeClass.TRANSIENT, code="451")
    outcomes.record(ended=[outcomes.Ended(refused)], actor="worker:b", now=clock.now())
    row.refresh_from_db()
    assert row.status == Status.CANCELLED


def test_a_row_that_loses_its_worker_five_times_fails_and_is_shown(smtp: Sandbox) -> None:
    row = a_communication()
    for lapses in range(5):
        claim = claim_due(limit=10, offset=timedelta(), worker="worker:a", suspicious=lapses >= 3)
        assert claim is not None
        lapse(row)
        release_lapsed(actor="worker:b", now=clock.now())
    row.refresh_from_db()
    assert row.status == Status.FAILED
    assert story(row)[-1] == Cause.LEASE_LAPSED_TOO_OFTEN
    assert AttentionItem.objects.get().kind == "delivery_failed"


def test_a_row_that_loses_its_workers_is_claimed_alone(smtp: Sandbox) -> None:
    suspicious, other = a_communication(), a_communication()
    QueueEntry.objects.filter(communication=suspicious).update(lapses=3)
    usual = claim_due(limit=10, offset=timedelta(), worker="worker:a")
    alone = claim_due(limit=1, offset=timedelta(), worker="worker:a", suspicious=True)
    assert usual is not None
    assert alone is not None
    assert (usual.ids, alone.ids) == ((other.id,), (suspicious.id,))


def test_a_suspicious_row_is_sent_although_others_are_always_due(smtp: Sandbox) -> None:
    suspicious = a_communication()
    for _ in range(3):
        a_communication()
    QueueEntry.objects.filter(communication=suspicious).update(lapses=3)
    dispatch_due(seconds=0)
    suspicious.refresh_from_db()
    assert suspicious.status == Status.SENT


def test_a_lost_workers_journal_tells_that_the_call_was_accepted(smtp: Sandbox) -> None:
    row, line = a_fenced_call()
    leave_behind(line)
    lapse(row)
    reconcile(actor="worker:b", now=clock.now())
    reconcile(actor="worker:b", now=clock.now())
    row.refresh_from_db()
    assert (row.status, story(row).count(Cause.ACCEPTED)) == (Status.SENT, 1)
    assert list(journal_directory().glob("*.jsonl")) == []


def test_a_journal_found_after_the_lease_was_released_is_late_evidence(smtp: Sandbox) -> None:
    row, line = a_fenced_call()
    lapse(row)
    release_lapsed(actor="worker:b", now=clock.now())
    row.refresh_from_db()
    assert row.status == Status.IN_DOUBT
    leave_behind(line)
    reconcile(actor="worker:b", now=clock.now())
    row.refresh_from_db()
    assert (row.status, row.attempts.get().delivery_status) == (Status.SENT, AttemptStatus.ACCEPTED)
    # Nobody is invited any more to send again what arrived.
    assert not AttentionItem.objects.filter(resolved_at__isnull=True).exists()


def test_a_late_refusal_frees_a_row_in_doubt(smtp: Sandbox) -> None:
    row, line = a_fenced_call()
    lapse(row)
    release_lapsed(actor="worker:b", now=clock.now())
    refused = replace(line, outcome_class=OutcomeClass.TRANSIENT, code="451")
    outcomes.record(ended=[outcomes.Ended(refused)], actor="worker:b", now=clock.now())
    row.refresh_from_db()
    assert (row.status, story(row)[-1]) == (Status.SCHEDULED, Cause.EVIDENCE_NOT_ARRIVED)


@contextmanager
def a_database_that_refuses_outcomes() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(
            """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN RAISE EXCEPTION 'no outcome today'; END $$;
               CREATE TRIGGER refuse BEFORE UPDATE ON crm_delivery_logs FOR EACH ROW EXECUTE FUNCTION refuse()"""
        )
        try:
            yield
        finally:
            cursor.execute("DROP TRIGGER refuse ON crm_delivery_logs; DROP FUNCTION refuse()")


def test_outcomes_that_could_not_be_stored_are_kept_and_stored_later(smtp: Sandbox) -> None:
    """REL-5: the provider has it, the database would not listen, and nothing is sent again."""
    row = a_communication()
    with a_database_that_refuses_outcomes(), pytest.raises(DatabaseError):
        dispatch_due()
    row.refresh_from_db()
    assert row.status == Status.SENDING
    reconcile(actor="worker:b", now=clock.now())
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, len(smtp.messages())) == (Status.SENT, 1)


def test_a_lease_is_renewed_by_its_holder_alone_and_only_while_it_lives(smtp: Sandbox) -> None:
    row = a_communication()
    claim = claim_due(limit=10, offset=timedelta(), worker="worker:a")
    assert claim is not None
    soon = clock.now() + timedelta(seconds=30)
    for token, lease_until, renewed in [
        (claim.lease_token, soon, True),
        (uuid4(), soon, False),
        (claim.lease_token, clock.now() - timedelta(seconds=1), False),
    ]:
        lease_of(row).update(expires_at=lease_until)
        renew_lease(lease_token=token)
        assert (lease_of(row).get().expires_at != lease_until) is renewed


def test_a_batch_that_takes_too_long_gives_back_what_it_has_not_called(
    smtp: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_RENEWAL_ENDS_AFTER", timedelta(seconds=-1))
    row = a_communication()
    dispatch_due(seconds=0)
    row.refresh_from_db()
    assert (row.status, story(row), smtp.messages()) == (Status.SCHEDULED, [Cause.PLANNED], [])
    assert not lease_of(row).exists()


def test_a_lease_is_renewed_while_a_call_takes_its_time(
    smtp: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_RENEW_AFTER", timedelta(milliseconds=50))
    row = a_communication()
    smtp.behave("delay", seconds=3)
    sending = Call(dispatch_due)
    wait_until(smtp.messages)
    first = lease_of(row).get().expires_at
    wait_until(lease_of(row).filter(expires_at__gt=first).exists)
    row.refresh_from_db()
    assert row.status == Status.SENDING
    sending.finish()


def test_when_the_database_goes_in_the_middle_no_outcome_is_lost(smtp: Sandbox) -> None:
    """REL-5: one group is recorded while the next is called; both are in the journal, and nothing is sent again."""
    rows = [a_communication() for _ in range(30)]
    Communication.objects.update(priority=7)  # the lowest has a whole claim for itself
    with a_database_that_refuses_outcomes(), pytest.raises(DatabaseError):
        dispatch_due()
    called = len(smtp.messages())
    assert called > 12, "the calls of the next group had begun"
    reconcile(actor="worker:b", now=clock.now())
    assert Communication.objects.filter(status=Status.SENT).count() == called
    QueueLease.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    reconcile(actor="worker:b", now=clock.now())
    dispatch_due()
    assert Communication.objects.filter(status=Status.SENT).count() == len(smtp.messages()) == len(rows)


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
    foreign = replace(line, attempt_id=uuid4())
    leave_behind(foreign, line, torn=b"{torn")
    reconcile(actor="worker:b", now=clock.now())
    row.refresh_from_db()
    (rejected,) = journal_directory().glob("*.rejected")
    assert row.status == Status.SENT
    assert len(rejected.read_bytes().splitlines()) == 2
    assert AttentionItem.objects.get().kind == "journal_rejected"


def test_a_line_that_breaks_our_own_code_is_set_aside_too(smtp: Sandbox) -> None:
    row, line = a_fenced_call()
    leave_behind(replace(line, retry_after_seconds=1e300))
    lapse(row)
    assert reconcile(actor="worker:b", now=clock.now()) == 1
    row.refresh_from_db()
    assert row.status == Status.IN_DOUBT
    assert len(list(journal_directory().glob("*.rejected"))) == 1


def test_a_line_that_does_not_fit_on_the_disk_leaves_nothing_of_itself(smtp: Sandbox) -> None:
    _, line = a_fenced_call()
    journal = Journal(journal_directory())
    journal.append(line)
    whole = journal.path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with signals_ignored(signal.SIGXFSZ):
        resource.setrlimit(resource.RLIMIT_FSIZE, (whole + 10, hard))
        try:
            with pytest.raises(OSError, match="too large"):
                journal.append(line)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert journal.path.stat().st_size == whole
    journal.append(line)
    assert len(journal.path.read_bytes().splitlines()) == 2


@contextmanager
def signals_ignored(number: signal.Signals) -> Iterator[None]:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_what_was_learned_late_keeps_both_times(smtp: Sandbox) -> None:
    row, line = a_fenced_call()
    happened = clock.now() - timedelta(hours=5)
    outcomes.record(ended=[outcomes.Ended(replace(line, at=happened))], actor="worker:b", now=clock.now())
    event = row.events.get(to_status=Status.SENT)
    assert event.occurred_at == happened
    assert event.recorded_at - happened > timedelta(hours=4)


def test_a_live_workers_journal_is_left_alone(smtp: Sandbox) -> None:
    row, line = a_fenced_call()
    journal = Journal(journal_directory())
    journal.append(line)
    reconcile(actor="worker:b", now=clock.now())
    row.refresh_from_db()
    assert row.status == Status.SENDING
    assert journal.path.exists()
    journal.close()
