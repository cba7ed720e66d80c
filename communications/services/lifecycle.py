"""The only place that changes a communication's status (engine.md §Lifecycle).

`create` inserts rows, `apply` moves them: rows locked in id order, each judged by the pure table
`rules.lifecycle`, one UPDATE per shape of change, one event per row changed. Its sibling for the two changes that
every message goes through, a group in one statement, is `services.group_moves`. A database trigger refuses pairs of
states that the table does not know, whoever asks; others keep the queue (`models.QueueEntry`) as the rows are.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from communications.choices import AttentionKind, Cause, Status
from communications.models import Communication, DeliveryEvent
from communications.rules import lifecycle as table
from core import attention
from core.copying import copy_in

# Columns a transition may set beside the status, with their database types.
_COLUMNS: dict[str, str] = {
    "attempt_count": "smallint",
    "call_started_at": "timestamptz",
    "cancel_requested": "boolean",
    "channel": "text",
    "batch_key": "text",
    "digest_id": "uuid",
    "content": "bytea",
    "due_at": "timestamptz",
    "failed_at": "timestamptz",
    "html_sha256": "text",
    "metadata": "jsonb",
    "outcome_code": "text",
    "put_back_count": "smallint",
    "retry_count": "smallint",
    "sent_at": "timestamptz",
    "delivered_at": "timestamptz",
    "opened_at": "timestamptz",
    "clicked_at": "timestamptz",
    "responded_at": "timestamptz",
    "waits_for": "text",
}
_REACHED_AT: dict[Status, str] = {
    Status.SENT: "sent_at",
    Status.DELIVERED: "delivered_at",
    Status.OPENED: "opened_at",
    Status.CLICKED: "clicked_at",
    Status.RESPONDED: "responded_at",
    Status.FAILED: "failed_at",
}
# What people are asked about while a row has the status.
_ASKED_ABOUT = {
    Status.IN_DOUBT: AttentionKind.IN_DOUBT,
    Status.FAILED: AttentionKind.DELIVERY_FAILED,
}
# A person who sends again takes back an earlier wish to cancel.
_STAFF_KNOW_BETTER = frozenset({Cause.STAFF_RESEND, Cause.STAFF_RETRY})


@dataclass(frozen=True)
class Transition:
    """One wished change. `at` is when it happened, `reason` our rule's code, `code` the provider's.

    With `lease_token` it is the word of a worker that claimed the row and counts only while that lease is the row's;
    with `attempt_number` that of one who called, and counts only while that attempt is the newest: no other has called
    since, for each fence raises the number.
    """

    communication_id: UUID
    to: Status
    cause: Cause
    actor: str
    at: datetime
    lease_token: UUID | None = None
    attempt_id: UUID | None = None
    attempt_number: int | None = None
    reason: str = ""
    code: str = ""
    payload: bytes | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Applied:
    """`changed`: id → status before. `unchanged`: what the table, a lease or a newer attempt refused."""

    changed: dict[UUID, Status]
    unchanged: tuple[Transition, ...]


@dataclass(frozen=True)
class _Current:
    status: Status
    lease_token: UUID | None
    attempt_count: int
    cancel_requested: bool
    reached: Mapping[str, datetime | None]


def create(*, communications: Sequence[Communication], cause: Cause, actor: str, now: datetime) -> None:
    """Insert new rows in a status that the table allows for new ones, with their first event."""
    for row in communications:
        if table.decide(table.NEW, Status(row.status), cause) is None:
            raise ValueError(f"A new communication cannot be {row.status} because of {cause}.")
    # Without a savepoint: whoever calls it in a transaction of their own wants all of that or nothing.
    with transaction.atomic(savepoint=False):
        copy_in(Communication, map(vars, communications))
        event = {"cause": cause, "actor": actor, "occurred_at": now, "recorded_at": now}
        copy_in(
            DeliveryEvent,
            (event | {"communication_id": row.id, "to_status": row.status} for row in communications),
        )


def apply(transitions: Iterable[Transition], *, now: datetime) -> Applied:
    """Make the changes that the table allows and tell which it refused. At most one transition per row.

    `now` is when we learned of it, which may be long after a transition's `at`.

    Idempotent for receipts and late evidence: what is already so changes nothing and adds no event.
    """
    wished = {transition.communication_id: transition for transition in transitions}
    if not wished:
        return Applied({}, ())
    # Without a savepoint: whoever calls it in a transaction of their own wants all of that or nothing.
    with transaction.atomic(savepoint=False):
        current = _lock(wished)
        accepted: list[Transition] = []
        unchanged: list[Transition] = []
        for transition in wished.values():
            row = current.get(transition.communication_id)
            allowed = _allowed(transition, row) if row is not None else None
            if allowed is None:
                unchanged.append(transition)
            else:
                accepted.append(allowed)
        _update(accepted, current)
        _write_events(accepted, current, now)
        _settle_items(accepted, current, now)
    return Applied(
        {change.communication_id: current[change.communication_id].status for change in accepted},
        tuple(unchanged),
    )


def note_times(times: Iterable[tuple[UUID, Status, datetime]]) -> None:
    """Evidence of when statuses were reached, whatever the status is now: the earliest known time stays.

    So the times come out the same in whatever order evidence arrives. One statement; the caller holds the rows' locks.
    """
    earliest: dict[tuple[UUID, Status], datetime] = {}
    for communication_id, status, at in times:
        known = earliest.get((communication_id, status))
        earliest[communication_id, status] = at if known is None else min(known, at)
    if not earliest:
        return
    columns = [_REACHED_AT[status] for status in table.ARRIVED]
    ids = sorted({communication_id for communication_id, _ in earliest})
    assignments = ", ".join(f"{column} = LEAST(c.{column}, i.{column})" for column in columns)
    sql = (
        f"UPDATE crm_communications c SET {assignments} "  # noqa: S608 - names of our columns, values bound
        f"FROM unnest(%s::uuid[], {', '.join('%s::timestamptz[]' for _ in columns)}) AS i(id, {', '.join(columns)}) "
        "WHERE c.id = i.id"
    )
    values = [[earliest.get((row, status)) for row in ids] for status in table.ARRIVED]
    with connection.cursor() as cursor:
        cursor.execute(sql, [ids, *values])


def _lock(wished: Mapping[UUID, Transition]) -> dict[UUID, _Current]:
    # No key: rows that point at these (attempts, events) can be written meanwhile.
    sql = """
        SELECT id, status, attempt_count, cancel_requested,
               sent_at, delivered_at, opened_at, clicked_at, responded_at, failed_at
          FROM crm_communications WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [list(wished)])
        rows = cursor.fetchall()
    leases = _leases([wish.communication_id for wish in wished.values() if wish.lease_token is not None])
    return {
        row[0]: _Current(
            status=Status(row[1]),
            lease_token=leases.get(row[0]),
            attempt_count=row[2],
            cancel_requested=row[3],
            reached=dict(zip(_REACHED_AT.values(), row[4:], strict=True)),
        )
        for row in rows
    }


def _leases(ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Asked once the rows are locked: from then on nobody gives a lease that is not the asker's to another."""
    if not ids:
        return {}
    sql = "SELECT communication_id, lease_token FROM crm_queue WHERE communication_id = ANY(%s)"
    with connection.cursor() as cursor:
        cursor.execute(sql, [list(ids)])
        return dict(cursor.fetchall())


def _allowed(wish: Transition, current: _Current) -> Transition | None:
    """The change to make: the wish, a cancellation in its place, or None."""
    if wish.lease_token is not None and wish.lease_token != current.lease_token:
        return None
    if wish.attempt_number is not None and wish.attempt_number != current.attempt_count:
        return None
    if table.decide(current.status, wish.to, wish.cause) is None:
        return None
    if wish.to is Status.SCHEDULED and current.cancel_requested and wish.cause not in _STAFF_KNOW_BETTER:
        # Asked to cancel while it was being sent: it does not go back to the queue.
        instead = replace(wish, to=Status.CANCELLED, cause=Cause.CANCEL_REQUESTED)
        return instead if table.decide(current.status, instead.to, instead.cause) else wish
    return wish


def _changes(transition: Transition, current: _Current) -> dict[str, Any]:
    """Every column this transition sets: what it brings, and the time a status was first reached."""
    changes = dict(transition.changes)
    reached = _REACHED_AT.get(transition.to)
    if reached is not None and current.reached[reached] is None:
        changes.setdefault(reached, transition.at)
    if transition.to not in {Status.SENDING, Status.IN_DOUBT}:
        # The wish to cancel was granted, or came too late, or a person took it back.
        changes["cancel_requested"] = False
    if current.status is Status.FAILED:
        changes["failed_at"] = None
    return changes


def _update(accepted: Sequence[Transition], current: Mapping[UUID, _Current]) -> None:
    shapes: dict[tuple[str, ...], list[tuple[Any, ...]]] = defaultdict(list)
    for transition in accepted:
        changes = _changes(transition, current[transition.communication_id])
        columns = tuple(sorted(changes))
        shapes[columns].append(
            (transition.communication_id, transition.to.value, *(changes[column] for column in columns))
        )
    for columns, rows in shapes.items():
        types = ["uuid", "text", *(_COLUMNS[column] for column in columns)]
        assignments = ", ".join(f"{column} = input.{column}" for column in ("status", *columns))
        sql = (
            f"UPDATE crm_communications SET {assignments} "  # noqa: S608 - names from _COLUMNS, values bound
            f"FROM unnest({', '.join(f'%s::{kind}[]' for kind in types)}) "
            f"AS input(id, {', '.join(('status', *columns))}) WHERE crm_communications.id = input.id"
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [list(values) for values in zip(*rows, strict=True)])


def _settle_items(accepted: Sequence[Transition], current: Mapping[UUID, _Current], now: datetime) -> None:
    """Nobody is asked any more about what is no longer in doubt or failed: else it might be sent again."""
    for left, kind in _ASKED_ABOUT.items():
        settled = [
            str(change.communication_id)
            for change in accepted
            if current[change.communication_id].status is left
        ]
        if settled:
            attention.settle(kind=kind, dedupe_keys=settled, now=now)


def _write_events(accepted: Sequence[Transition], current: Mapping[UUID, _Current], now: datetime) -> None:
    if not accepted:
        return
    rows = [
        (
            change.communication_id,
            change.attempt_id,
            current[change.communication_id].status.value,
            change.to.value,
            change.cause.value,
            change.actor,
            change.reason,
            change.code,
            change.at,
            change.payload,
        )
        for change in accepted
    ]
    sql = """
        INSERT INTO crm_delivery_events (communication_id, attempt_id, from_status, to_status, cause, actor,
                                         reason, code, occurred_at, payload, recorded_at)
        SELECT input.*, %s::timestamptz
          FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                      %s::text[], %s::timestamptz[], %s::bytea[]) AS input
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [now, *(list(values) for values in zip(*rows, strict=True))])
