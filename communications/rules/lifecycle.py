"""Which status may follow which, and why: the lifecycle table as plain data.

`services.lifecycle.apply` is the only writer and asks this module; a database guard refuses every pair that
is not in `ALLOWED_PAIRS`. `cancelled` is final: nothing leaves it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from communications.choices import AttemptStatus, Cause, Status

NEW: Final = None
"""The source of a row that does not exist yet."""

Source = Status | None

RANK: Final[dict[Status, int]] = {
    Status.SENT: 1,
    Status.DELIVERED: 2,
    Status.OPENED: 3,
    Status.CLICKED: 4,
    Status.RESPONDED: 5,
}
"""How far a message that left us got. It only rises; every other status is outside this order."""

ARRIVED: Final[tuple[Status, ...]] = tuple(RANK)

_EVIDENCE: Final[dict[Cause, tuple[Status, ...]]] = {
    Cause.RECEIPT: (Status.SENT, Status.DELIVERED, Status.OPENED, Status.CLICKED),
    Cause.TRACKING: (Status.OPENED, Status.CLICKED),
    Cause.ANSWER: (Status.RESPONDED,),
    # The journal tells that a call was accepted, a look-up how far the message got.
    Cause.LATE_EVIDENCE: (Status.SENT, Status.DELIVERED, Status.OPENED),
}
"""What each kind of evidence may show. Evidence is believed whatever the row was waiting for."""

_STOPPED: Final = (
    Cause.REFUSED_BY_CHECK,
    Cause.CALLER_CANCELLED,
    Cause.PLAN_CANCELLED,
    Cause.REPLACED,
    Cause.QUESTION_CLOSED,
    Cause.ERASED,
)


@dataclass(frozen=True)
class Move:
    """One row of the table: from `source` to `to`, for one of `causes`."""

    source: Source
    to: Status
    causes: frozenset[Cause]


def _move(source: Source, to: Status, *causes: Cause) -> Move:
    return Move(source, to, frozenset(causes))


def _evidence_moves(source: Status) -> Iterable[Move]:
    """Evidence that the message arrived moves `source` to any status that ranks higher."""
    for to in ARRIVED:
        if RANK[to] > RANK.get(source, 0):
            causes = {cause for cause, shown in _EVIDENCE.items() if to in shown}
            if (source, to) == (Status.SENDING, Status.SENT):
                causes.add(Cause.ACCEPTED)
            yield Move(source, to, frozenset(causes))


TABLE: Final[tuple[Move, ...]] = (
    # Sending after all what arrived, failed or was cancelled makes a new one.
    _move(NEW, Status.SCHEDULED, Cause.PLANNED, Cause.STAFF_RESEND),
    _move(NEW, Status.HELD, Cause.DIGEST_HELD),
    _move(
        NEW,
        Status.CANCELLED,
        Cause.NO_OPEN_CHANNEL,
        Cause.DEADLINE_UNREACHABLE,
        Cause.STAGE_PASSED,
        Cause.PLAN_CANCELLED,
        Cause.ERASED,
    ),
    # What a worker has claimed is scheduled until its call begins: until then it is put off, or its worker is lost.
    _move(Status.SCHEDULED, Status.SCHEDULED, Cause.NOT_NOW, Cause.NEXT_CHANNEL, Cause.LEASE_LAPSED_UNCALLED),
    _move(Status.SCHEDULED, Status.SENDING, Cause.CLAIMED),
    _move(Status.SCHEDULED, Status.FAILED, Cause.LEASE_LAPSED_TOO_OFTEN),
    _move(Status.SCHEDULED, Status.HELD, Cause.PREFERS_DIGEST),
    _move(Status.SCHEDULED, Status.CANCELLED, *_STOPPED),
    *_evidence_moves(Status.SCHEDULED),
    _move(Status.HELD, Status.MERGED, Cause.DIGEST_MADE),
    _move(Status.HELD, Status.SCHEDULED, Cause.DIGEST_OF_ONE, Cause.PREFERS_AT_ONCE),
    _move(Status.HELD, Status.CANCELLED, *_STOPPED),
    _move(Status.MERGED, Status.HELD, Cause.DIGEST_DISSOLVED),
    _move(Status.MERGED, Status.CANCELLED, *_STOPPED),
    *_evidence_moves(Status.SENDING),
    _move(
        Status.SENDING,
        Status.SCHEDULED,
        Cause.RETRY,
        Cause.RATE_LIMITED,
        Cause.DEFERRED,
        Cause.CONFIGURATION,
        Cause.NEXT_CHANNEL,
        Cause.NOT_CALLED,
    ),
    _move(Status.SENDING, Status.IN_DOUBT, Cause.OUTCOME_UNKNOWN, Cause.LEASE_LAPSED_CALLED),
    _move(Status.SENDING, Status.FAILED, Cause.NO_CHANNEL_LEFT),
    _move(Status.SENDING, Status.CANCELLED, Cause.CANCEL_REQUESTED),
    *_evidence_moves(Status.IN_DOUBT),
    _move(
        Status.IN_DOUBT, Status.SCHEDULED, Cause.EVIDENCE_NOT_ARRIVED, Cause.NEXT_CHANNEL, Cause.STAFF_RESEND
    ),
    _move(Status.IN_DOUBT, Status.FAILED, Cause.STAFF_GAVE_UP, Cause.NO_CHANNEL_LEFT),
    _move(Status.IN_DOUBT, Status.CANCELLED, Cause.PLAN_CANCELLED, Cause.ERASED, Cause.CANCEL_REQUESTED),
    *_evidence_moves(Status.SENT),
    _move(Status.SENT, Status.SCHEDULED, Cause.UNDELIVERED, Cause.BOUNCED, Cause.NO_RECEIPT),
    _move(
        Status.SENT, Status.FAILED, Cause.UNDELIVERED, Cause.BOUNCED, Cause.NO_RECEIPT, Cause.NO_CHANNEL_LEFT
    ),
    *_evidence_moves(Status.FAILED),
    _move(Status.FAILED, Status.SCHEDULED, Cause.STAFF_RETRY),
    *_evidence_moves(Status.DELIVERED),
    *_evidence_moves(Status.OPENED),
    *_evidence_moves(Status.CLICKED),
    *(
        _move(Status.RESPONDED, before, Cause.STAFF_UNDO)
        for before in (
            Status.SENT,
            Status.DELIVERED,
            Status.OPENED,
            Status.CLICKED,
            Status.FAILED,
            Status.IN_DOUBT,
        )
    ),
)

_CAUSES: Final[dict[tuple[Source, Status], frozenset[Cause]]] = {
    (move.source, move.to): move.causes for move in TABLE
}

ALLOWED_PAIRS: Final[frozenset[tuple[Status, Status]]] = frozenset(
    (move.source, move.to) for move in TABLE if move.source is not None
)
"""Every change of a stored row that the table knows; what the database guard lets through, beside no change."""

INITIAL_STATUSES: Final[frozenset[Status]] = frozenset(move.to for move in TABLE if move.source is NEW)
"""With what status a row may be inserted."""


def decide(current: Source, to: Status, cause: Cause) -> Status | None:
    """The status that a row gets when `cause` asks for `to`, or None: refused, nothing changes.

    A receipt of `delivered` for a row that is `opened` already gives None: the rank only rises.
    """
    return to if cause in _CAUSES.get((current, to), frozenset()) else None


ATTEMPT_RANK: Final[dict[AttemptStatus, int]] = {
    AttemptStatus.CALLING: 0,
    AttemptStatus.UNKNOWN: 1,
    AttemptStatus.NOT_CALLED: 2,
    AttemptStatus.REJECTED: 3,
    AttemptStatus.ACCEPTED: 4,
    AttemptStatus.UNDELIVERED: 5,
    AttemptStatus.DELIVERED: 6,
}
"""What is known for surer ranks higher. `unknown` can still become everything that is surer, also what the
journal of a killed worker tells of it (`not_called`). `delivered` outranks `undelivered`: a provider may tell
of a failure first and of the delivery after it, and once an attempt is delivered bad news changes nothing."""
