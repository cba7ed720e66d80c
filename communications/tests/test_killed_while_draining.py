"""A worker killed with SIGKILL while it stores what was spooled: nothing twice, nothing lost (REL-6)."""

import signal
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from communications.api.spooling import KIND
from communications.models import CommunicationRequest
from communications.services.dispatch import dispatch_due
from communications.tests.api.bodies import a_body
from communications.tests.test_killed_worker import a_worker
from core import spool
from core.models import SpooledEntry
from core.tests.races import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]

TOTAL = 60
WORKER = """
from django.conf import settings
settings.CRM_SPOOL_NAME = {name!r}
import django
django.setup()
from core import spool
spool.BATCH = 4
spool.drain(seconds=60)
"""


def test_killed_in_the_middle_three_times(settings, smtp, tmp_path):
    settings.CRM_SPOOL_NAME = f"test-{uuid4()}"
    entries = [
        spool.Entry(uuid4(), KIND, "service:test", datetime.now(UTC), {"request": a_body(), "key": None})
        for _ in range(TOTAL)
    ]
    spool.add_many([(entry, None) for entry in entries])
    for kills in range(1, 4):
        with a_worker(smtp, tmp_path, WORKER.format(name=settings.CRM_SPOOL_NAME)) as worker:
            wait_until(lambda kills=kills: SpooledEntry.objects.count() >= kills * TOTAL // 5)
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        assert spool.count_waiting() > 0, "the kill came in the middle"
    spool.drain(seconds=600)
    stored = SpooledEntry.objects.order_by("settled_at").values_list("id", flat=True)
    assert list(stored) == [entry.id for entry in entries]
    assert set(CommunicationRequest.objects.values_list("id", flat=True)) == set(stored)
    assert (spool.count_waiting(), spool.count_parked()) == (0, 0)
    while dispatch_due():
        pass
    recipients = [mail.recipients for mail in smtp.messages()]
    assert len(recipients) == len(set(recipients)) == TOTAL
