"""A worker process killed with SIGKILL at the worst moments: nothing lost, nothing twice (REL-6)."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings

from communications.choices import AttemptStatus, Status
from communications.models import Communication, QueueLease
from communications.services.dispatch import dispatch_due
from communications.services.reconcile import reconcile
from communications.tests.factories import a_communication
from communications.tests.worker_process import worker_environment
from core import clock
from core.tests.races import wait_until
from sandbox.testing import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]

WORKER = (
    "import django; django.setup(); from communications.services.dispatch import dispatch_due; dispatch_due()"
)


@contextmanager
def a_worker(smtp: Sandbox, state: Path, program: str = WORKER) -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own that works on this test's database and sends to this test's catcher."""
    environment = worker_environment(smtp, state)
    worker = subprocess.Popen([sys.executable, "-c", program], env=environment, cwd=settings.BASE_DIR)
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait()


def its_lease_runs_out() -> None:
    QueueLease.objects.update(expires_at=clock.now() - timedelta(seconds=1))


def test_killed_between_fence_and_record_leaves_one_row_in_doubt_and_no_second_mail(
    smtp: Sandbox, tmp_path: Path
) -> None:
    """The catcher has the mail and keeps its answer back; the worker dies waiting for it."""
    smtp.behave("delay", seconds=60)
    row = a_communication()
    with a_worker(smtp, tmp_path) as worker:
        wait_until(smtp.messages)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    its_lease_runs_out()
    smtp.behave("accept")
    reconcile(actor="worker:next", now=clock.now())
    assert dispatch_due() == 0
    row.refresh_from_db()
    assert row.status == Status.IN_DOUBT
    assert row.attempts.get().delivery_status == AttemptStatus.UNKNOWN
    assert len(smtp.messages()) == 1


def test_killed_in_the_middle_of_many_loses_none_and_sends_none_twice(smtp: Sandbox, tmp_path: Path) -> None:
    """Whatever instant the kill hits, each mail arrives once, and what is in doubt is at most one group."""
    total, concurrency = 120, 16
    for _ in range(total):
        a_communication()
    with a_worker(smtp, tmp_path) as worker:
        wait_until(lambda: len(smtp.messages()) > 20)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    its_lease_runs_out()
    reconcile(actor="worker:next", now=clock.now())
    dispatch_due()
    sent = [mail.message_id for mail in smtp.messages()]
    recipients = [mail.recipients for mail in smtp.messages()]
    doubtful = Communication.objects.filter(status=Status.IN_DOUBT).count()
    assert len(set(sent)) == len(sent)
    assert len(set(recipients)) == len(recipients)
    assert doubtful <= concurrency
    assert total - doubtful <= len(sent) <= total
    assert Communication.objects.exclude(status__in=[Status.SENT, Status.IN_DOUBT]).count() == 0
