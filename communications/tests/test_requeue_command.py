"""`manage.py requeue`: what it puts back, what it leaves and why, and that it may be interrupted (MSG-12, OPS)."""

import re
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from communications.choices import Cause, MessageType, Status
from communications.models import Communication
from communications.services import requeueing
from communications.services.dispatch import dispatch_due
from communications.services.requeueing import RequeueFilters, requeue
from communications.tests.factories import a_communication, in_status, lead_to
from communications.tests.steps import story
from core import clock
from core.models import AuditEntry
from core.tests.races import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("smtp", "templates")]

REFERENCE = re.compile(r"[0-9a-f-]{36}")


def run(*arguments):
    """What the command wrote."""
    out = StringIO()
    call_command("requeue", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def failed(**changes):
    row = a_communication(**changes)
    lead_to(row, Status.FAILED)
    return row


def statuses():
    return sorted(Communication.objects.values_list("status", flat=True))


def test_failed_ones_go_back_with_all_their_tries_audited_and_are_sent(smtp):
    rows = [failed() for _ in range(3)]
    Communication.objects.update(retry_count=3)
    assert "3 put back." in run("--yes")
    assert statuses() == ["scheduled"] * 3
    assert story(rows[0])[-1] == Cause.STAFF_RETRY
    entries = AuditEntry.objects.filter(action="communication.retried", actor="system:requeue")
    assert entries.count() == 3
    dispatch_due()
    assert len(smtp.messages()) == 3
    assert "0 put back." in run("--yes")


def test_in_doubt_is_named_and_told_what_it_risks():
    doubtful, other = in_status(Status.IN_DOUBT), failed()
    told = run("--status", "in_doubt", "--yes")
    assert "each of them may arrive twice" in told
    doubtful.refresh_from_db()
    other.refresh_from_db()
    assert (doubtful.status, other.status) == (Status.SCHEDULED, Status.FAILED)
    assert story(doubtful)[-1] == Cause.STAFF_RESEND


def test_a_dry_run_changes_nothing_and_names_references_only():
    rows = [failed() for _ in range(12)]
    told = run("--dry-run")
    assert "12 would be put back." in told
    assert len(REFERENCE.findall(told)) == 10
    assert "and 2 more" in told
    assert "Priya" not in told
    assert "@" not in told
    assert statuses() == ["failed"] * len(rows)
    assert not AuditEntry.objects.filter(action="communication.retried").exists()


def test_what_would_not_be_sent_is_left_and_told():
    failed()
    for _ in range(2):
        Communication.objects.filter(id=failed().id).update(expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    told = run("--yes")
    assert "1 put back." in told
    assert "2 left as they are (expired): " in told
    assert statuses() == ["failed", "failed", "scheduled"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--channel", "email"], 3),
        (["--channel", "sms"], 0),
        (["--message-type", "custom"], 1),
        (["--plan", "plan-7"], 1),
        (["--client", "client-7"], 1),
        (["--client", "nobody"], 0),
        (["--code", "451"], 1),
        (["--code", "550"], 0),
        (["--since", "2020-01-01T00:00+00:00"], 3),
        (["--until", "2020-01-01T00:00+00:00"], 0),
        (["--until", "2090-01-01T00:00Z", "--code", "451 4"], 1),
        (["--limit", "2"], 2),
    ],
)
def test_filters(arguments, expected):
    failed()
    failed(plan_reference="plan-7", client_reference="client-7")
    other = failed(message_type=MessageType.CUSTOM, context={"subject": "Hello", "message": "Hello."})
    Communication.objects.filter(id=other.id).update(outcome_code="451 4.3.0")
    assert f"{expected} put back." in run("--yes", *arguments)
    assert statuses().count("scheduled") == expected


def test_it_can_be_interrupted_and_goes_on(monkeypatch):
    """Each batch is a transaction of its own; the second run finds what the first had left."""
    monkeypatch.setattr(requeueing, "BATCH", 2)
    rows = [failed() for _ in range(5)]
    running = requeue(
        filters=RequeueFilters(Status.FAILED), limit=None, actor="system:requeue", now=clock.now()
    )
    assert len(next(running).put_back) == 2
    running.close()
    assert statuses().count("scheduled") == 2
    assert "3 put back." in run("--yes")
    assert all(story(row).count(Cause.STAFF_RETRY) == 1 for row in rows)


def test_two_at_once_put_each_back_once():
    rows = [failed() for _ in range(4)]
    at_once(2, lambda: run("--yes"))
    assert all(story(row).count(Cause.STAFF_RETRY) == 1 for row in rows)
    assert AuditEntry.objects.filter(action="communication.retried").count() == 4


class _Terminal(StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("answer", ["no\n", "\n"])
def test_it_asks_on_a_terminal(answer, monkeypatch):
    failed()
    monkeypatch.setattr(sys, "stdin", _Terminal(answer))
    with pytest.raises(CommandError, match="Nothing was put back"):
        run()
    assert statuses() == ["failed"]
    monkeypatch.setattr(sys, "stdin", _Terminal("yes\n"))
    assert "1 put back." in run()


def test_where_nobody_can_be_asked_it_says_what_to_add(monkeypatch):
    failed()
    monkeypatch.setattr(sys, "stdin", StringIO())
    with pytest.raises(CommandError, match="Add --yes"):
        run()
    assert statuses() == ["failed"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--status", "sent"],
        ["--since", "yesterday"],
        ["--since", "2026-01-01"],
        ["--limit", "0"],
        ["--limit", "x"],
    ],
)
def test_nonsense_is_refused(arguments):
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert arguments[0] in str(caught.value)


def test_the_cost_of_a_batch_does_not_grow_with_what_is_known_of_each(django_assert_max_num_queries):
    for _ in range(6):
        failed()
    filters = RequeueFilters(Status.FAILED, since=clock.now() - timedelta(days=1))
    with django_assert_max_num_queries(20):
        list(requeue(filters=filters, limit=None, actor="system:requeue", now=clock.now(), dry_run=True))
