"""Workers without their broker: what is due goes out all the same, and a broker that comes back is used again."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import redis
from celery import current_app
from django.conf import settings
from django.db import connection

from communications import worker
from communications.choices import Status
from communications.models import Communication
from communications.tests.factories import a_communication
from communications.tests.worker_process import worker_environment
from core.tests.races import Gate, wait_until
from sandbox.testing import Sandbox
from tests.own_servers import OwnServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]


@pytest.fixture
def broker() -> Iterator[OwnServer]:
    with TemporaryDirectory(prefix="crm-w-", dir="/tmp") as folder:
        server = OwnServer("valkey", Path(folder))
        server.start()
        yield server
        server.stop()


def waiting(broker: OwnServer, queue: str) -> int:
    with redis.Redis.from_url(broker.url.replace("redis+socket", "unix")) as client:
        return int(client.llen(queue))  # type: ignore[arg-type]  # the client is not an asynchronous one


@contextmanager
def a_celery_worker(smtp: Sandbox, state: Path, broker: OwnServer) -> Iterator[subprocess.Popen[bytes]]:
    environment = worker_environment(smtp, state) | {"REDIS_URL": broker.url, "BROKER_URL": broker.url}
    environment["CACHE_URL"] = broker.url
    queues = ["--queues=dispatch,housekeeping", "--concurrency=2", "--loglevel=warning"]
    argv = [sys.executable, "-m", "celery", "--app=crm_project", "worker", *queues, "--without-gossip"]
    process = subprocess.Popen([*argv, "--without-mingle"], env=environment, cwd=settings.BASE_DIR)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def goes_out(row: Communication) -> None:
    def is_sent() -> bool:
        row.refresh_from_db()
        return row.status == Status.SENT

    wait_until(is_sent)


def test_what_is_due_goes_out_without_the_broker_and_a_returned_one_is_used(
    smtp: Sandbox, tmp_path: Path, broker: OwnServer
) -> None:
    """engine.md §When parts fail: requests are stored; the sweep sends them. No beat runs here at all."""
    with a_celery_worker(smtp, tmp_path, broker) as process:
        goes_out(a_communication())
        broker.stop()
        urgent, low = a_communication(), a_communication()
        Communication.objects.filter(id=low.id).update(priority=7)
        goes_out(urgent)
        goes_out(low)
        assert process.poll() is None
        broker.start()
        with current_app.connection_for_write(url=broker.url) as link:
            current_app.send_task(
                "communications.purge_idempotency_keys", connection=link, queue="housekeeping"
            )
        assert waiting(broker, "housekeeping") <= 1
        wait_until(lambda: waiting(broker, "housekeeping") == 0)
        later = a_communication()
        goes_out(later)
    assert process.returncode == 0, "it stopped in order"
    assert len(smtp.messages()) == 4
    assert list((tmp_path / "journal").glob("*.jsonl")) == [], "it left nothing to look after"


def test_a_loop_outlives_a_failure_and_works_on(caplog: pytest.LogCaptureFixture) -> None:
    """A database that is away is said once, and the loop looks again."""
    calls: list[float] = []
    recovered = Gate()

    def work(_is_stopped: Any) -> int:
        calls.append(time.monotonic())
        if len(calls) <= 3:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        recovered.open()
        return 0

    loop = worker.Loop("test", work=work, pause_seconds=0.01)
    loop.start()
    recovered.wait()
    loop.stop()
    loop.join(10)
    assert not loop.is_alive()
    assert caplog.messages.count("loop failed, it goes on") == 1


def test_a_loop_works_without_pause_while_there_is_work() -> None:
    done = Gate()
    left = list(range(50))

    def work(_is_stopped: Any) -> int:
        if left:
            left.pop()
            return 1
        done.open()
        return 0

    loop = worker.Loop("test", work=work, pause_seconds=3600)
    loop.start()
    done.wait()
    loop.stop()
    loop.join(10)
    assert not loop.is_alive()


def test_the_pauses_are_those_that_the_limits_ask_for() -> None:
    """The sweep finds what is due within 5 s; what is critical reaches a provider within a second."""
    assert worker.SWEEP_SECONDS <= 5
    assert worker.EXPRESS_SECONDS <= 0.5
