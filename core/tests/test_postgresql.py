"""The connection to a server that is away: one caller finds out, the others are not kept waiting (REL-5)."""

import threading
import time

import pytest
from django.db import OperationalError, connection

from core.postgresql import base
from core.postgresql.base import Outage
from core.tests.outages import database_away


@pytest.fixture
def no_pause(monkeypatch):
    monkeypatch.setattr(base, "PAUSE_SECONDS", 0.0)


def test_a_server_that_answers_admits_everybody():
    outage = Outage()
    outage.ends()
    assert [outage.admits() for _ in range(3)] == [True, True, True]


def test_nobody_asks_for_a_while_after_a_failure():
    outage = Outage()
    outage.goes_on()
    assert [outage.admits() for _ in range(3)] == [False, False, False]


def test_after_the_pause_one_finds_out_for_all(no_pause):
    outage = Outage()
    outage.goes_on()
    assert [outage.admits() for _ in range(3)] == [True, False, False]
    outage.ends()
    assert [outage.admits() for _ in range(3)] == [True, True, True]


def test_many_threads_let_one_through(no_pause):
    outage = Outage()
    outage.goes_on()
    admitted = []
    threads = [threading.Thread(target=lambda: admitted.append(outage.admits())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert admitted.count(True) == 1


@pytest.mark.django_db(transaction=True)
def test_a_server_that_is_away_is_not_asked_by_everybody(monkeypatch):
    asked = []
    monkeypatch.setattr(base, "_outages", {})
    original = base.base.DatabaseWrapper.get_new_connection
    monkeypatch.setattr(
        base.base.DatabaseWrapper,
        "get_new_connection",
        lambda self, params: asked.append(1) or original(self, params),
    )
    with database_away():
        for _ in range(5):
            with pytest.raises(OperationalError):
                connection.ensure_connection()
    assert len(asked) == 1
    connection.ensure_connection()
    assert connection.is_usable()


class FakeConnection:
    """Counts how often it was asked whether it works."""

    autocommit = True

    def __init__(self):
        self.asked = 0

    def execute(self, _statement):
        self.asked += 1


def test_a_pooled_connection_is_asked_only_after_it_lay_idle():
    """PERF-2"""
    pooled = FakeConnection()
    base.check_if_idle(pooled)
    assert pooled.asked == 1
    base._last_used[pooled] = time.monotonic()
    base.check_if_idle(pooled)
    assert pooled.asked == 1
    base._last_used[pooled] = time.monotonic() - base.UNASKED_SECONDS - 0.1
    base.check_if_idle(pooled)
    assert pooled.asked == 2
