"""One claim on its way: check → compose → fence → call → record, in groups.

While the calls of one group are under way the group before is recorded and the next one composed. So at most one
group is past its fence without its outcomes in the journal.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from communications.connectors.base import Connector
from communications.rules.files import MEGABYTE
from communications.selectors.attachments import attachment_bytes, load_parts
from communications.selectors.sending import SendJob, load_jobs
from communications.services import outcomes, sending_limits
from communications.services.calls import Call, CallEnd, Flight, boot_seconds, take_off
from communications.services.checking import Cleared, check_jobs
from communications.services.composing import Prepared, prepare
from communications.services.documents import make_pending
from communications.services.group_moves import PlannedCall, begin_calls
from communications.services.journal import Journal
from communications.services.lanes import Lane
from communications.services.providers import divide
from communications.services.queue import LEASE, Claim, give_back, renew_lease
from core.logs import get_logger

log = get_logger("dispatch")

_RENEW_AFTER: Final = LEASE / 3
_RENEWAL_ENDS_AFTER: Final = timedelta(minutes=10)
# Attachments of a group, as files; in its mails they take a third more, and up to three groups are there at once.
_GROUP_BYTES: Final = 20 * MEGABYTE


@dataclass(frozen=True)
class _Ready:
    """One communication checked and composed, with the id of the call that will be made for it."""

    cleared: Cleared
    prepared: Prepared
    attempt_id: UUID

    @property
    def job(self) -> SendJob:
        return self.cleared.job


@dataclass(frozen=True)
class _Group:
    """What was composed together; `flight` are the calls of those that the fence let through."""

    connector: Connector
    ready: dict[UUID, _Ready]
    stopped: tuple[UUID, ...]
    flight: Flight


class Batch:
    """`offset` is the demo's clock, zero in production."""

    def __init__(
        self,
        claim: Claim,
        *,
        lane: Lane,
        journal: Journal,
        offset: timedelta,
        worker: str,
        is_stopped: Callable[[], bool],
    ) -> None:
        self._claim = claim
        self._lane = lane
        self._journal = journal
        self._offset = offset
        self._worker = worker
        self._is_stopped = is_stopped
        self._claimed = self._renewed = time.monotonic()
        self._written = 0  # lines whose outcomes are committed, but perhaps not on the database's disk yet

    def run(self) -> None:
        """Raises what the database raises; then no call is under way and the outcomes are in the journal."""
        cleared = check_jobs(
            jobs=load_jobs(self._claim.ids),
            lease_token=self._claim.lease_token,
            actor=self._worker,
            now=self._now(),
        )
        in_the_air: _Group | None = None
        try:
            for connector, items in self._groups(cleared):
                ready = list(self._compose(items))
                landed, ends = in_the_air, self._land(in_the_air)
                in_the_air = self._permitted(connector, ready)
                self._record(landed, ends, durable=False)
            self._record(in_the_air, self._land(in_the_air), durable=True)
        except BaseException:
            if in_the_air is not None:
                in_the_air.flight.wait()
            raise

    def _groups(self, cleared: Sequence[Cleared]) -> Iterator[tuple[Connector, list[Cleared]]]:
        """Groups no larger than the calls that may be made at once, in the order of the claim for each provider."""
        weights = attachment_bytes(item.job for item in cleared)
        for connector, carried in divide(cleared, now=self._now()):
            waiting = deque(carried)
            while group := _next_group(waiting, self._lane.calls_at_once(connector), weights):
                if self._is_stopped() or not self._keep_lease():
                    self._give_back([item.job.communication_id for item in group])
                else:
                    yield connector, group

    def _compose(self, group: Sequence[Cleared]) -> Iterator[_Ready]:
        jobs = [cleared.job for cleared in group]
        make_pending(jobs)
        parts = load_parts(jobs)
        for cleared in group:
            attempt_id = uuid4()
            try:
                prepared = prepare(
                    cleared,
                    attempt_id=attempt_id,
                    now=self._now(),
                    parts=parts.get(cleared.job.request_id, ()),
                )
            except Exception:
                # A row that cannot be composed must not stop its batch. It keeps its lease: after a few lapses it
                # is claimed alone, and then failed and shown.
                log.exception("compose failed", communication_id=str(cleared.job.communication_id))
                continue
            yield _Ready(cleared, prepared, attempt_id)

    def _permitted(self, connector: Connector, ready: Sequence[_Ready]) -> _Group | None:
        """As many take off as the provider's circuit and rate allow, which know how the group before has ended."""
        permit = sending_limits.ask(connector, wanted=len(ready), now=self._now())
        granted = ready[: permit.granted]
        group = self._take_off(connector, {item.attempt_id: item for item in granted}) if granted else None
        sending_limits.postpone(
            [item.cleared for item in ready[permit.granted :]],
            connector=connector,
            permit=permit,
            lease_token=self._claim.lease_token,
            actor=self._worker,
            now=self._now(),
        )
        return group

    def _take_off(self, connector: Connector, ready: dict[UUID, _Ready]) -> _Group:
        """The fence, and at once the calls of what it let through. Nothing may go wrong or take time in between."""
        fenced_at = boot_seconds()
        numbers = begin_calls(
            [self._planned(item, connector) for item in ready.values()],
            actor=self._worker,
            offset=self._offset,
        )
        flight = take_off(
            calls=[
                Call(ready[key].job.communication_id, number, ready[key].prepared.message)
                for key, number in numbers.items()
            ],
            connector=connector,
            threads=self._lane.threads(connector),
            journal=self._journal,
            fenced_at=fenced_at,
            now=self._now,
        )
        if numbers:
            self._confirm()
        stopped = tuple(item.job.communication_id for key, item in ready.items() if key not in numbers)
        return _Group(connector, ready, stopped, flight)

    def _land(self, group: _Group | None) -> list[CallEnd]:
        """The ends of a group's calls, once all have ended; the lease is kept meanwhile."""
        if group is None:
            return []
        while not group.flight.wait(_RENEW_AFTER.total_seconds()):
            self._keep_lease()
        ends = group.flight.land()
        outcome_classes = [end.line.outcome_class for end in ends if end.line.outcome_class is not None]
        sending_limits.report(group.connector, outcome_classes, now=self._now())
        return ends

    def _record(self, group: _Group | None, ends: Sequence[CallEnd], *, durable: bool) -> None:
        """Store the outcomes. All but the last need not wait for the disk: the next fence does, and only then are
        their lines cut from the journal."""
        if group is None:
            return
        outcomes.record(
            ended=[
                outcomes.Ended(
                    line=end.line,
                    text=end.text,
                    key=group.ready[end.line.attempt_id].job.key,
                    html_sha256=group.ready[end.line.attempt_id].prepared.html_sha256,
                    degraded=group.ready[end.line.attempt_id].prepared.degraded,
                    content=group.ready[end.line.attempt_id].prepared.content,
                )
                for end in ends
            ],
            actor=self._worker,
            now=self._now(),
            durable=durable,
        )
        self._written += sum(end.journalled for end in ends)
        if durable:
            self._confirm()
        self._give_back(group.stopped)

    def _confirm(self) -> None:
        """Something was committed to disk: whatever was committed before it is there too."""
        self._journal.confirm(self._written)
        self._written = 0

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

    def _give_back(self, ids: Sequence[UUID]) -> None:
        """Due as it was: if the fence stopped it, something changed since the check, so it is checked anew."""
        give_back(lease_token=self._claim.lease_token, ids=ids)

    def _keep_lease(self) -> bool:
        """Renew before the lease could run out under a group; False once renewing has gone on for too long."""
        moment = time.monotonic()
        if moment - self._claimed > _RENEWAL_ENDS_AFTER.total_seconds():
            return False
        if moment - self._renewed > _RENEW_AFTER.total_seconds():
            renew_lease(lease_token=self._claim.lease_token)
            self._renewed = moment
        return True

    def _now(self) -> datetime:
        """The database's clock, on from the claim, whatever this machine's says; and the demo's offset."""
        return self._claim.claimed_at + timedelta(seconds=time.monotonic() - self._claimed) + self._offset


def _next_group(waiting: deque[Cleared], most: int, weights: Mapping[UUID, int]) -> list[Cleared]:
    """Takes up to `most`, and no more than fit into memory beside the group before and the one after."""
    group: list[Cleared] = []
    weight = 0
    while waiting and len(group) < most:
        weight += weights.get(waiting[0].job.request_id, 0)
        if group and weight > _GROUP_BYTES:
            break
        group.append(waiting.popleft())
    return group
