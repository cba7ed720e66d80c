"""Tasks while the database is away: quiet, and back with it; other errors stay errors."""

import pytest
from celery import current_app
from django.db import OperationalError, connection

from core import celery_tasks, tasks
from core.celery_tasks import SweepTask
from core.tests.outages import database_away

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def new_complaint(monkeypatch):
    monkeypatch.setattr(celery_tasks, "_complaint", celery_tasks._Complaint())


class Ask(SweepTask):
    name = "celery_tasks_test.ask"

    def run(self, error=None):
        if error is not None:
            raise error
        with connection.cursor() as sql:
            sql.execute("SELECT 1")
            return sql.fetchone()[0]


def test_every_task_of_ours_is_one():
    assert tasks.drain_spool.name in current_app.tasks
    assert all(isinstance(task, SweepTask) for task in (tasks.drain_spool, tasks.consume_outbox))


def test_an_outage_ends_a_task_quietly_and_is_told_once(caplog):
    task = Ask()
    with database_away():
        assert [task() for _ in range(3)] == [None, None, None]
    assert [record.message for record in caplog.records if record.name == "crm.tasks"] == [
        "the database is away, the next sweep goes on"
    ]
    assert task() == 1


def test_what_the_database_refuses_is_an_error():
    with pytest.raises(OperationalError):
        Ask()(OperationalError("deadlock detected"))


def test_other_errors_are_errors():
    with database_away(), pytest.raises(ValueError, match="ours"):
        Ask()(ValueError("ours"))
