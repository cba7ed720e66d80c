"""The scheduler outlives the database: what it read last goes on."""

from datetime import datetime, timedelta

import pytest
from celery import current_app
from django.db import OperationalError

from core.beat import SteadyScheduler
from core.tests.outages import database_away

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scheduler():
    return SteadyScheduler(app=current_app, lazy=False)


def test_the_schedule_that_was_read_last_goes_on(scheduler, caplog):
    names = set(scheduler.schedule)
    assert "sweep-due" in names
    with database_away():
        for _ in range(3):
            assert set(scheduler.schedule) == names
        # As after five minutes, when it is read anew whatever happened.
        scheduler._last_full_sync = datetime.now() - timedelta(hours=1)  # noqa: DTZ005 - as the package counts
        assert set(scheduler.schedule) == names
    assert set(scheduler.schedule) == names
    told = [record.message for record in caplog.records if record.name == "crm.scheduler"]
    assert told == ["schedule not read, the database is away", "schedule read again"]


def test_without_a_first_schedule_there_is_nothing_to_go_on_with():
    """It ends, and whoever supervises it starts it again."""
    with database_away(), pytest.raises(OperationalError):
        SteadyScheduler(app=current_app, lazy=False)
