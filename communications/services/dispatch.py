"""Sending what is due: claim → check → fence → call → record (engine.md §Delivery).

No transaction is open while a provider is called. A worker may be killed, paused or cut off at any point: what it
had not fenced is claimed again after its lease, what it had called is known from its journal or in doubt.
"""

import os
import socket
import time
from collections.abc import Callable

from communications.rules.shares import SMALLEST_CLAIM, claim_size
from communications.services.batch import Batch
from communications.services.journal import Journal, borrowed_journal
from communications.services.lanes import BULK, Lane
from communications.services.queue import DISPATCH_TASK, claim_due, has_due
from core import clock, spool
from core.wake import ring


def worker_name() -> str:
    return f"worker:{socket.gethostname()}:{os.getpid()}"


def dispatch_due(
    *, lane: Lane = BULK, seconds: float = 5.0, is_stopped: Callable[[], bool] = lambda: False
) -> int:
    """Send what is due in the lane until nothing is, or `seconds` have passed; returns how many rows were worked on.

    Any number of workers on any number of hosts may run it at once; in one process each lane runs once at a time,
    and who comes meanwhile is told 0: the one under way looks again before it ends. It is kept short so that a
    worker can be stopped and other work gets its turn; what is left is rung for again. Nothing is claimed while
    entries wait in the spool.
    """
    worked = 0
    lane.ask()
    while lane.begin():
        try:
            if _may_claim(lane):
                with borrowed_journal() as journal:
                    worked += _Run(lane, journal, is_stopped, until=time.monotonic() + seconds).work()
        finally:
            lane.end()
    return worked


def _may_claim(lane: Lane) -> bool:
    """The express lane looks four times a second, so it asks for the spool only if something is due. The other
    always does: a process that has seen the spool goes on when the broker goes away."""
    if lane.is_express and not has_due(priorities=lane.priorities, offset=clock.offset()):
        return False
    return not spool.holds_back()


class _Run:
    """One run of a lane, with a journal of its own: without one nothing may be called, so nothing is claimed."""

    def __init__(self, lane: Lane, journal: Journal, is_stopped: Callable[[], bool], *, until: float) -> None:
        self._lane = lane
        self._journal = journal
        self._is_stopped = is_stopped
        self._until = until

    def work(self) -> int:
        # One at a time, and not beside what is urgent: they may take this process down.
        worked = 0 if self._lane.is_express else self._claim_and_send(limit=1, suspicious=True)
        size = SMALLEST_CLAIM
        while not self._is_stopped():
            began = time.monotonic()
            taken = self._claim_and_send(limit=min(size, self._lane.largest_claim), suspicious=False)
            if not taken:
                break
            worked += taken
            size = claim_size(sent=taken, seconds=time.monotonic() - began)
            if time.monotonic() > self._until:
                ring(DISPATCH_TASK)
                break
        return worked

    def _claim_and_send(self, *, limit: int, suspicious: bool) -> int:
        offset, worker = clock.offset(), worker_name()
        claim = claim_due(
            limit=limit, offset=offset, worker=worker, suspicious=suspicious, priorities=self._lane.priorities
        )
        if claim is None:
            return 0
        Batch(
            claim,
            lane=self._lane,
            journal=self._journal,
            offset=offset,
            worker=worker,
            is_stopped=self._is_stopped,
        ).run()
        return len(claim.ids)
