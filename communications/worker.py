"""What every worker process does beside Celery's tasks, so that neither broker nor scheduler is needed to send.

The sweep looks every five seconds for what lost workers left and for what is due; the express loop looks four times
a second for what is urgent, so that it goes out at once while tasks and sweeps are busy with less urgent rows.
"""

import gc
import threading
from collections.abc import Callable
from typing import Any, Final

from celery import signals
from django.db import connection

from communications.gateway import close_connectors
from communications.services.digests import release_digests
from communications.services.dispatch import dispatch_due, worker_name
from communications.services.journal import close_journals
from communications.services.lanes import BULK, EXPRESS
from communications.services.reconcile import reconcile
from core import clock
from core.database import DATABASE_AWAY, is_away
from core.logs import get_logger

log = get_logger("worker")

SWEEP_SECONDS: Final = 5.0
EXPRESS_SECONDS: Final = 0.25
_STOPS_WITHIN_SECONDS: Final = 45.0


class Loop(threading.Thread):
    """Calls `work` with a question that it should ask now and then, whether to stop; again at once while it finds
    something to do, else after a pause."""

    def __init__(self, name: str, *, work: Callable[[Callable[[], bool]], int], pause_seconds: float) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._pause_seconds = pause_seconds
        self._stopped = threading.Event()
        self._complained = False

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        try:
            while not self._stopped.is_set():
                if not self._once():
                    self._stopped.wait(self._pause_seconds)
        finally:
            connection.close()

    def _once(self) -> int:
        try:
            done = self._work(self._stopped.is_set)
        except Exception as error:
            # The outermost frame of its thread: one bad moment must not end it.
            self._complain(error)
            connection.close()
            return 0
        self._complained = False
        return done

    def _complain(self, error: Exception) -> None:
        """Once for each outage, and not every quarter of a second."""
        if self._complained:
            return
        self._complained = True
        if isinstance(error, DATABASE_AWAY) and is_away():
            log.warning("the database is away, the loop goes on", task=self.name, error=error)
        else:
            log.exception("loop failed, it goes on", task=self.name, error=error)


def sweep(is_stopped: Callable[[], bool]) -> int:
    """Returns how many rows were due, so that a long queue is worked off without a pause."""
    reconcile(actor=worker_name(), now=clock.now())
    release_digests(now=clock.now())
    return dispatch_due(lane=BULK, is_stopped=is_stopped)


def send_urgent(is_stopped: Callable[[], bool]) -> int:
    return dispatch_due(lane=EXPRESS, is_stopped=is_stopped)


_loops: list[Loop] = []


def connect() -> None:
    """Called once, when the app is ready. Each process of a worker's pool starts its own, after the fork."""
    signals.worker_process_init.connect(_start, dispatch_uid="communications.start_loops")
    signals.worker_process_shutdown.connect(_stop, dispatch_uid="communications.stop_loops")


def _start(**_: Any) -> None:
    # What the imports left behind lives as long as the process: looking through it for garbage again and again costs
    # more than a tenth of the time of sending.
    gc.collect()
    gc.freeze()
    _loops[:] = [
        Loop("sweep", work=sweep, pause_seconds=SWEEP_SECONDS),
        Loop("express", work=send_urgent, pause_seconds=EXPRESS_SECONDS),
    ]
    for loop in _loops:
        loop.start()


def _stop(**_: Any) -> None:
    """In order: what is being called is recorded, what is not called yet goes back."""
    for loop in _loops:
        loop.stop()
    for loop in _loops:
        loop.join(_STOPS_WITHIN_SECONDS)
    close_journals()
    close_connectors()
