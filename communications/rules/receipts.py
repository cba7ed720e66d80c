"""What receipts show, as plain rules: whatever their order, the same end (engine.md §Lifecycle).

An attempt's status is the surest of all that was told of it; the communication's follows from that and from opens
and clicks of people. Of bad news only an attempt's own status is sure: whether it moves the communication depends on
the others (`acts_on_message`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from communications.choices import AttemptStatus, OutcomeClass, ReceiptKind, Status
from communications.rules.lifecycle import ATTEMPT_RANK

LOOK_AGAIN_FIRST: Final = timedelta(seconds=2)
LOOK_AGAIN_MAX: Final = timedelta(hours=1)
KEPT_FOR: Final = timedelta(days=30)
"""Receipts whose attempt never turns up are kept so long, and so long what is told twice is known."""
UNREAD_AFTER_FAILURES: Final = 3

_SHOWS: Final[MappingProxyType[ReceiptKind, AttemptStatus]] = MappingProxyType(
    {
        ReceiptKind.ACCEPTED: AttemptStatus.ACCEPTED,
        ReceiptKind.DEFERRED: AttemptStatus.ACCEPTED,
        ReceiptKind.DELIVERED: AttemptStatus.DELIVERED,
        ReceiptKind.UNDELIVERED: AttemptStatus.UNDELIVERED,
        ReceiptKind.BOUNCED: AttemptStatus.UNDELIVERED,
        ReceiptKind.OPENED: AttemptStatus.DELIVERED,
        ReceiptKind.CLICKED: AttemptStatus.DELIVERED,
        # Whoever complains, unsubscribes or answers has got it.
        ReceiptKind.COMPLAINED: AttemptStatus.DELIVERED,
        ReceiptKind.UNSUBSCRIBED: AttemptStatus.DELIVERED,
        ReceiptKind.REPLY: AttemptStatus.DELIVERED,
    }
)
_BY_PEOPLE: Final[MappingProxyType[ReceiptKind, Status]] = MappingProxyType(
    {ReceiptKind.OPENED: Status.OPENED, ReceiptKind.CLICKED: Status.CLICKED}
)
NEGATIVE: Final = frozenset({ReceiptKind.UNDELIVERED, ReceiptKind.BOUNCED})
OPT_OUT: Final = frozenset({ReceiptKind.COMPLAINED, ReceiptKind.UNSUBSCRIBED})
IGNORED: Final = frozenset({ReceiptKind.OTHER})


@dataclass(frozen=True)
class ProviderReceipt:
    """One thing that a provider told, as its connector reads it.

    `dedupe_key`: what makes it the same event, however often it is told; with the provider's name unique.
    `occurred_at`: by the provider's clock, aware. It belongs to the attempt `attempt_id`, else to the one with
    `provider_message_id`, else to the one with `message_id`. `payload`: JSON, the provider's own words; stored sealed.
    """

    provider: str
    dedupe_key: str
    kind: ReceiptKind
    occurred_at: datetime | None = None
    attempt_id: UUID | None = None
    provider_message_id: str = ""
    message_id: str = ""
    outcome_class: OutcomeClass | None = None
    code: str = ""
    by_machine: bool = False
    payload: Any = None


def shows(kind: ReceiptKind, *, by_machine: bool) -> AttemptStatus | None:
    """What a receipt shows of its attempt. A program that fetched it shows nothing that people would notice."""
    return None if by_machine else _SHOWS.get(kind)


def merged(current: AttemptStatus, shown: Iterable[AttemptStatus | None]) -> AttemptStatus:
    """The surest of what is known."""
    return max([current, *(status for status in shown if status is not None)], key=ATTEMPT_RANK.__getitem__)


def reached(
    kind: ReceiptKind, *, by_machine: bool, before: AttemptStatus, after: AttemptStatus
) -> list[Status]:
    """The statuses that a receipt shows a communication to have reached, the lowest first.

    `before`, `after`: its attempt's status without and with what was told. That the provider took it is news only
    while that was not known, and none once the message did not arrive.
    """
    status = shows(kind, by_machine=by_machine)
    if status is AttemptStatus.ACCEPTED:
        was_news = ATTEMPT_RANK[before] < ATTEMPT_RANK[AttemptStatus.ACCEPTED]
        return [Status.SENT] if was_news and after is not AttemptStatus.UNDELIVERED else []
    if status is not AttemptStatus.DELIVERED:
        return []
    by_people = _BY_PEOPLE.get(kind)
    steps = [Status.DELIVERED, *([Status.OPENED] if by_people is Status.CLICKED else [])]
    return [*steps, by_people] if by_people else steps


def times_of(kind: ReceiptKind, *, by_machine: bool) -> list[Status]:
    """The statuses whose times a receipt tells, as an upper bound: what is delivered had been sent."""
    status = shows(kind, by_machine=by_machine)
    if status is None:
        return []
    if status is not AttemptStatus.DELIVERED:
        return [Status.SENT]
    by_people = _BY_PEOPLE.get(kind)
    seen = {None: [], Status.OPENED: [Status.OPENED], Status.CLICKED: [Status.OPENED, Status.CLICKED]}
    return [Status.SENT, Status.DELIVERED, *seen[by_people]]


def acts_on_message(*, is_newest: bool, any_delivered: bool, status: Status) -> bool:
    """Whether an attempt that was not delivered moves its communication: only the newest one, only if none arrived,
    and only while the message counts as sent or nobody knows."""
    return is_newest and not any_delivered and status in {Status.SENT, Status.IN_DOUBT}


def instant_of(occurred_at: datetime | None, *, received_at: datetime, started_at: datetime) -> datetime:
    """When it happened: the provider's time, within what can be true. A wrong clock moves nothing before the call or
    past the moment at which we were told."""
    return max(min(occurred_at or received_at, received_at), started_at)


def look_again_after(looks: int) -> timedelta:
    """How long a receipt waits for its attempt after it was looked for `looks` times."""
    # The exponent is bounded, so that one that waits for days costs no big number.
    doubled: int = 2 ** min(looks, 20)
    return min(LOOK_AGAIN_FIRST * doubled, LOOK_AGAIN_MAX)
