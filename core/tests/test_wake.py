import contextlib
import socket
import threading
import time

import pytest
from celery import current_app
from django.db import connection, transaction

from core import wake
from core.tests.celery_settings import configured
from core.tests.races import Call

QUEUE = "wake-test"
TASK = "wake_test.something"


def take_messages() -> list[dict]:
    """What lies in our own queue of the real broker; it is empty afterwards."""
    taken = []
    with current_app.connection_for_read() as broker, broker.SimpleQueue(QUEUE) as queue:
        while True:
            try:
                message = queue.get_nowait()
            except queue.Empty:
                return taken
            message.ack()
            taken.append({**message.headers, "body": message.payload})


@pytest.fixture(autouse=True)
def new_bell(monkeypatch):
    monkeypatch.setattr(wake, "_bell", wake._Bell())


@pytest.fixture
def own_queue():
    with configured(task_routes={**current_app.conf.task_routes, "wake_test.*": {"queue": QUEUE}}):
        take_messages()
        yield
        take_messages()


pytestmark = pytest.mark.django_db(transaction=True)


def test_a_ring_goes_out_on_commit(own_queue):
    with transaction.atomic():
        wake.ring(TASK)
        assert take_messages() == []
    (message,) = take_messages()
    assert message["task"] == TASK
    assert message["expires"] is not None
    assert message["body"][0] == []
    assert message["body"][1] == {}


def test_a_ring_without_a_transaction_goes_out_at_once(own_queue):
    wake.ring(TASK)
    assert len(take_messages()) == 1


def test_several_rings_in_one_transaction_are_one(own_queue):
    with transaction.atomic():
        for _ in range(5):
            wake.ring(TASK)
        wake.ring("wake_test.other")
    assert sorted(message["task"] for message in take_messages()) == ["wake_test.other", TASK]


def test_a_ring_that_is_rolled_back_stays_silent(own_queue):
    with transaction.atomic():
        with contextlib.suppress(RuntimeError), transaction.atomic():
            wake.ring(TASK)
            raise RuntimeError
        assert connection.run_on_commit == []
        wake.ring(TASK)
    assert len(take_messages()) == 1


def test_other_threads_ring_the_same_broker(own_queue):
    Call(lambda: wake.ring(TASK)).finish()
    assert len(take_messages()) == 1


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:1/0", "redis+socket:///nowhere/at/all.sock", "amqp://127.0.0.1:1//"]
)
def test_a_broker_that_is_down_is_survived_and_logged_once(caplog, url):
    with configured(broker_write_url=url):
        for _ in range(3):
            wake.ring(TASK)
            wake._bell._silent_until = 0.0
    assert [record.message for record in caplog.records if record.name == "crm.wake"] == [
        "broker not reached, the sweep will find the work"
    ]


def test_a_broker_that_hangs_costs_about_a_second_and_then_nothing():
    """It accepts connections and never answers, like a stopped machine behind a load balancer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with configured(broker_write_url=f"redis://127.0.0.1:{port}/0"):
            started = time.monotonic()
            wake.ring(TASK)
            first = time.monotonic() - started
            for _ in range(100):
                wake.ring(TASK)
            # Without a pause each ring would wait for a second. The bounds leave room for a busy machine.
            assert first < 10
            assert time.monotonic() - started - first < 20


def test_rings_that_come_close_together_are_one_now_and_one_after(own_queue, monkeypatch):
    """PERF-2: the last one still rings, so no commit waits for the sweep."""
    monkeypatch.setattr(wake, "TOGETHER_SECONDS", 2.0)
    threads = [threading.Thread(target=wake._bell.send, args=(TASK,)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(take_messages()) == 1
    # Its own ring, whatever else has just rung.
    wake._bell.send("wake_test.other")
    assert [message["task"] for message in take_messages()] == ["wake_test.other"]
    followed = wait_for_messages()
    assert [message["task"] for message in followed] == [TASK]
    assert wake._bell._waiting == set()


def wait_for_messages() -> list[dict]:
    deadline = time.monotonic() + 20
    while not (taken := take_messages()):
        assert time.monotonic() < deadline, "no ring followed"
        time.sleep(0.02)
    return taken
