import threading

import pytest
from celery import signals
from django.db import connection, connections

from core import heartbeat
from core.heartbeat import HeartbeatThread, seconds_since_last_beat
from core.models import Heartbeat
from core.tests.races import other_connections, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def beating():
    started = []

    def start(component: str = "worker", **options) -> HeartbeatThread:
        thread = HeartbeatThread(component, **({"every_seconds": 0.05} | options))
        thread.start()
        started.append(thread)
        return thread

    yield start
    for thread in started:
        thread.stop()
        thread.join(10)
        assert not thread.is_alive()


def test_a_process_writes_one_row_again_and_again(beating):
    thread = beating()
    first = wait_until(Heartbeat.objects.first)
    wait_until(lambda: Heartbeat.objects.get().beat_at > first.beat_at)
    row = Heartbeat.objects.get()
    assert (row.component, row.instance, row.started_at) == ("worker", thread.instance, first.started_at)
    assert seconds_since_last_beat("worker") < 5
    assert seconds_since_last_beat("scheduler") is None


def test_it_survives_a_database_that_hangs_up(beating, caplog):
    beating()
    first = wait_until(Heartbeat.objects.first)
    with connection.cursor() as sql:
        sql.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%crm_heartbeats%'"
        )
        assert sql.rowcount == 1
    wait_until(lambda: "heartbeat written again" in caplog.messages)
    wait_until(lambda: Heartbeat.objects.get().beat_at > first.beat_at)
    assert caplog.messages.count("heartbeat not written, the database is away") == 1


def test_it_survives_a_database_that_is_not_there_yet(beating, monkeypatch, caplog):
    with monkeypatch.context() as patched:
        patched.setitem(connection.settings_dict, "NAME", "no_such_database")
        beating()
        wait_until(lambda: "heartbeat not written, the database is away" in caplog.messages)
    assert not Heartbeat.objects.exists()


def test_rows_of_dead_instances_are_forgotten_after_a_day(beating):
    with connection.cursor() as sql:
        for age in ("2 days", "2 hours"):
            sql.execute(
                "INSERT INTO crm_heartbeats (component, instance, started_at, beat_at) "
                "VALUES ('worker', %s, now(), now() - %s::interval)",
                [f"gone {age}", age],
            )
    thread = beating()
    wait_until(lambda: Heartbeat.objects.filter(instance=thread.instance).exists())
    wait_until(lambda: not Heartbeat.objects.filter(instance="gone 2 days").exists())
    assert Heartbeat.objects.filter(instance="gone 2 hours").exists()


def test_it_leaves_no_connection_and_uses_no_pool(beating):
    own = heartbeat._own_connection()
    assert "pool" not in own.settings_dict["OPTIONS"]
    assert own.settings_dict["NAME"] == connection.settings_dict["NAME"]
    thread = beating()
    wait_until(Heartbeat.objects.exists)
    thread.stop()
    thread.join(10)
    wait_until(lambda: other_connections() == 0)
    assert list(connections) == ["default"]


@pytest.mark.parametrize(
    ("signal", "component"),
    [
        (signals.worker_ready, "worker"),
        (signals.beat_init, "scheduler"),
        (signals.beat_embedded_init, "scheduler"),
    ],
)
def test_celerys_processes_start_one(signal, component):
    signal.send(sender=None)
    (thread,) = [thread for thread in threading.enumerate() if isinstance(thread, HeartbeatThread)]
    wait_until(lambda: Heartbeat.objects.filter(component=component).exists())
    assert thread.daemon
    thread.stop()
    thread.join(10)
