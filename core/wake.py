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


def ring(task_name: str) -> None:
    """Runs the task soon, once the current transaction commits. Several rings in one transaction are one.

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

    def send(self, task_name: str) -> None:
        if time.monotonic() < self._silent_until:
            return
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
