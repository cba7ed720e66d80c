"""Sending what is due: claim → check → fence → call → record (engine.md §Delivery).

No transaction is open while a provider is called. A worker may be killed, paused or cut off at any point: what it
had not fenced is claimed again after its lease, what it had called is known from its journal or in doubt.
"""

import os
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import Final
from uuid import UUID, uuid4

from communications.choices import Cause, Status
from communications.connectors.base import Connector
from communications.gateway import connector_for
from communications.selectors.sending import SendJob, load_jobs
from communications.services import lifecycle, outcomes, sending_limits
from communications.services.attempts import PlannedCall, begin_calls
from communications.services.calls import Call, boot_seconds, call_all
from communications.services.checking import Cleared, check_jobs
from communications.services.composing import Prepared, prepare_email
from communications.services.journal import close_own_journal, own_journal
from communications.services.lifecycle import Transition
from communications.services.queue import DISPATCH_TASK, LEASE, Claim, claim_due, renew_lease
from core import clock, spool
from core.logs import get_logger
from core.wake import ring

log = get_logger("dispatch")

BATCH: Final = 128
_RENEW_AFTER: Final = LEASE / 3
_RENEWAL_ENDS_AFTER: Final = timedelta(minutes=10)


def worker_name() -> str:
    return f"worker:{socket.gethostname()}:{os.getpid()}"


def dispatch_due(*, seconds: float = 5.0) -> int:
    """Send what is due until nothing is, or `seconds` have passed; returns how many rows were worked on.

    Any number of workers on any number of hosts may run it at once. It is kept short so that a worker can be stopped
    and other work gets its turn; what is left is rung for again. Nothing is claimed while entries wait in the spool.
    """
    if spool.holds_back():
        return 0
    own_journal()  # without one nothing may be called, so nothing is claimed either
    until = time.monotonic() + seconds
    worked = _claim_and_send(limit=1, suspicious=True)
    while taken := _claim_and_send(limit=BATCH, suspicious=False):
        worked += taken
        if time.monotonic() > until:
            ring(DISPATCH_TASK)
            break
    return worked


def _claim_and_send(*, limit: int, suspicious: bool) -> int:
    offset, worker = clock.offset(), worker_name()
    claim = claim_due(limit=limit, offset=offset, worker=worker, suspicious=suspicious)
    if claim is None:
        return 0
    _Batch(claim, offset, worker).run()
    return len(claim.ids)


@dataclass(frozen=True)
class _Ready:
    """One communication checked and composed, with the id of the call that will be made for it."""

    cleared: Cleared
    prepared: Prepared
    attempt_id: UUID

    @property
    def job(self) -> SendJob:
        return self.cleared.job


class _Batch:
    """One claim on its way. `offset` is the demo's clock, zero in production."""

    def __init__(self, claim: Claim, offset: timedelta, worker: str) -> None:
        self._claim = claim
        self._offset = offset
        self._worker = worker
        self._claimed = self._renewed = time.monotonic()

    def run(self) -> None:
        cleared = check_jobs(
            jobs=load_jobs(self._claim.ids),
            lease_token=self._claim.lease_token,
            actor=self._worker,
            now=self._now(),
        )
        for connector, group in _groups(cleared):
            if not self._keep_lease():
                self._put_back([item.job.communication_id for item in group])
                continue
            permit = sending_limits.ask(connector, wanted=len(group), now=self._now())
            if permit.granted:
                self._send(connector, group[: permit.granted])
            sending_limits.postpone(
                group[permit.granted :],
                connector=connector,
                permit=permit,
                lease_token=self._claim.lease_token,
                actor=self._worker,
                now=self._now(),
            )

    def _send(self, connector: Connector, group: Sequence[Cleared]) -> None:
        ready = {item.attempt_id: item for item in self._compose(group)}
        journal = own_journal()
        fenced_at = boot_seconds()
        numbers = begin_calls(
            [self._planned(item, connector) for item in ready.values()], offset=self._offset
        )
        ends = call_all(
            calls=[
                Call(
                    ready[key].job.communication_id,
                    number,
                    self._claim.lease_token,
                    ready[key].prepared.message,
                )
                for key, number in numbers.items()
            ],
            connector=connector,
            journal=journal,
            fenced_at=fenced_at,
            now=self._now,
        )
        try:
            outcomes.record(
                ended=[
                    outcomes.Ended(
                        line=end.line,
                        text=end.text,
                        key=ready[end.line.attempt_id].job.key,
                        html_sha256=ready[end.line.attempt_id].prepared.html_sha256,
                        degraded=ready[end.line.attempt_id].prepared.degraded,
                    )
                    for end in ends
                ],
                actor=self._worker,
                now=self._now(),
            )
        except Exception:
            # The outcomes are in the journal; once it is let go, any worker replays it.
            close_own_journal()
            raise
        journal.confirm(sum(end.journalled for end in ends))
        sending_limits.report(
            connector,
            [end.line.outcome_class for end in ends if end.line.outcome_class is not None],
            now=self._now(),
        )
        # Only now: between fence and calls nothing may go wrong or take time.
        self._put_back([item.job.communication_id for key, item in ready.items() if key not in numbers])

    def _compose(self, group: Sequence[Cleared]) -> Iterator[_Ready]:
        for cleared in group:
            attempt_id = uuid4()
            try:
                prepared = prepare_email(cleared, attempt_id=attempt_id, now=self._now())
            except Exception:
                # A row that cannot be composed must not stop its batch. It keeps its lease: after a few lapses it
                # is claimed alone, and then failed and shown.
                log.exception("compose failed", communication_id=str(cleared.job.communication_id))
                continue
            yield _Ready(cleared, prepared, attempt_id)

    def _planned(self, item: _Ready, connector: Connector) -> PlannedCall:
        return PlannedCall(
            communication_id=item.job.communication_id,
            client_id=item.job.client_id,
            lease_token=self._claim.lease_token,
            gate_version=item.job.row["gate_version"],
            sending_version=item.cleared.sending_version,
            send_before=item.cleared.send_before - self._offset,
            attempt_id=item.attempt_id,
            contact_point_id=item.cleared.contact_point.id,
            message_id=item.prepared.message.message_id,
            channel=item.job.channel,
            provider=connector.name,
        )

    def _put_back(self, ids: Sequence[UUID]) -> None:
        """Due again at once: something changed since the check, so it is checked anew."""
        now = self._now()
        lifecycle.apply(
            (
                Transition(
                    communication_id=identifier,
                    to=Status.SCHEDULED,
                    cause=Cause.NOT_CALLED,
                    actor=self._worker,
                    at=now,
                    lease_token=self._claim.lease_token,
                    changes={"due_at": now},
                )
                for identifier in ids
            ),
            now=now,
        )

    def _keep_lease(self) -> bool:
        """Renew before the lease could run out under a group; False once renewing has gone on for too long."""
        moment = time.monotonic()
        if moment - self._claimed > _RENEWAL_ENDS_AFTER.total_seconds():
            return False
        if moment - self._renewed > _RENEW_AFTER.total_seconds():
            renew_lease(lease_token=self._claim.lease_token, ids=self._claim.ids)
            self._renewed = moment
        return True

    def _now(self) -> datetime:
        """The database's clock, on from the claim, whatever this machine's says; and the demo's offset."""
        return self._claim.claimed_at + timedelta(seconds=time.monotonic() - self._claimed) + self._offset


def _groups(cleared: Sequence[Cleared]) -> Iterator[tuple[Connector, list[Cleared]]]:
    """Groups no larger than the connector's concurrency, in the order of the claim within each channel."""
    by_channel = sorted(cleared, key=lambda item: item.job.channel)
    for channel, items in groupby(by_channel, key=lambda item: item.job.channel):
        connector = connector_for(channel)
        while group := list(islice(items, connector.concurrency)):
            yield connector, group
