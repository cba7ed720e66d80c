"""Waking tasks by name, so that no service imports a task. A ring that gets lost costs one sweep interval."""

import threading
import time
from dataclasses import dataclass

from celery import current_app
from django.db import transaction
from kombu.pools import producers

from core import broker
from core.logs import get_logger

logger = get_logger("wake")

# Older rings are pointless: a sweep has done the work.
EXPIRES_SECONDS = 10
# After a failure nobody waits for the broker again for a while; the sweeps go on.
_PAUSE_SECONDS = 5
_LOG_EVERY_SECONDS = 60
# Rings of one process that come closer together than this are one: whoever wakes finds all that is committed.
TOGETHER_SECONDS = 0.05


def ring(task_name: str) -> None:
    """Runs the task soon, once the current transaction commits. Several rings in one transaction are one, and those
    that follow another within TOGETHER_SECONDS are one when these are over.

    Never raises and never waits longer than about a second, whatever the broker does.
    """
    connection = transaction.get_connection()
    if any(
        isinstance(entry[1], _Ring) and entry[1].task_name == task_name for entry in connection.run_on_commit
    ):
        return
    transaction.on_commit(_Ring(task_name))


@dataclass(frozen=True)
class _Ring:
    task_name: str

    def __call__(self) -> None:
        _bell.send(self.task_name)


class _Bell:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._silent_until = 0.0
        self._logged_at: float | None = None
        self._rung_at: dict[str, float] = {}
        self._waiting: set[str] = set()

    def send(self, task_name: str) -> None:
        """At once, if it was quiet. Else one more ring follows, so that the last commit is never left to the sweep."""
        with self._lock:
            moment = time.monotonic()
            if moment < self._silent_until or task_name in self._waiting:
                return
            wait = self._rung_at.get(task_name, 0.0) + TOGETHER_SECONDS - moment
            if wait > 0:
                self._waiting.add(task_name)
            else:
                self._rung_at[task_name] = moment
        if wait > 0:
            later = threading.Timer(wait, self._send_waiting, [task_name])
            later.daemon = True
            later.start()
        else:
            self._send(task_name)

    def _send_waiting(self, task_name: str) -> None:
        with self._lock:
            # Before it is sent: a commit from now on may come too late for it.
            self._waiting.discard(task_name)
            self._rung_at[task_name] = time.monotonic()
        self._send(task_name)

    def _send(self, task_name: str) -> None:
        connection = broker.quick_connection()
        try:
            with producers[connection].acquire(block=True, timeout=broker.TIMEOUT_SECONDS) as producer:
                current_app.send_task(
                    task_name, producer=producer, expires=EXPIRES_SECONDS, ignore_result=True, retry=False
                )
        except broker.failures(connection) as error:
            self._note_failure(task_name, error)

    def _note_failure(self, task_name: str, error: BaseException) -> None:
        moment = time.monotonic()
        with self._lock:
            self._silent_until = moment + _PAUSE_SECONDS
            if self._logged_at is not None and moment - self._logged_at < _LOG_EVERY_SECONDS:
                return
            self._logged_at = moment
        logger.warning("broker not reached, the sweep will find the work", task=task_name, error=error)


_bell = _Bell()
