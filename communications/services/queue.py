"""The queue in the database: claiming what is due, keeping it or giving it back, taking it from lost workers.

A claim touches the narrow `crm_queue` alone; the communication stays as it is until its call begins. Leases live on the
database's clock. Due times follow the product's clock (`offset` is the demo's, else zero).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction

from communications.choices import AttentionKind, Cause, Status
from communications.rules.message_types import PRIORITIES
from communications.rules.shares import kept_for_later
from communications.services import lifecycle
from communications.services.attempts import mark_unknown
from communications.services.lifecycle import Transition
from core import attention

DISPATCH_TASK: Final = "communications.dispatch_due"
LEASE: Final[timedelta] = settings.CRM_LEASE
ALONE_AFTER_LAPSES: Final = 3
FAILED_AFTER_LAPSES: Final = 5
_SWEEP_LIMIT: Final = 500
_LEASES_AT_ONCE: Final = 1_000


@dataclass(frozen=True)
class Claim:
    """Rows that are ours until `lease_expires_at`, most urgent first."""

    lease_token: UUID
    ids: tuple[UUID, ...]
    claimed_at: datetime


def claim_due(
    *,
    limit: int,
    offset: timedelta,
    worker: str,
    suspicious: bool = False,
    priorities: Sequence[int] = PRIORITIES,
) -> Claim | None:
    """Lease up to `limit` due rows, or None when nothing is due. Never waits for another worker.

    The most urgent first, each with its share (`rules.shares`). Rows that were lost with their worker several times
    are `suspicious` and claimed only when asked for, so that, one at a time, they take nothing else down. One statement
    that does not wait for the disk: a claim that the database forgets in a crash is no claim, says the fence.
    """
    token = uuid4()
    parameters: dict[str, Any] = {
        "limit": limit,
        "offset": offset,
        "token": token,
        "lease": LEASE,
        "worker": worker,
    }
    for place, kept in enumerate(kept_for_later(priorities, limit)):
        parameters |= {f"priority_{place}": priorities[place], f"kept_{place}": kept}
    with connection.cursor() as cursor:
        cursor.execute(_claim_sql(len(priorities), suspicious=suspicious), parameters)
        rows = cursor.fetchall()
    return Claim(token, tuple(row for row, _ in rows), rows[0][1]) if rows else None


def has_due(*, priorities: Sequence[int], offset: timedelta) -> bool:
    sql = """
        SELECT EXISTS (SELECT FROM crm_queue
                        WHERE lease_token IS NULL AND waits_for = '' AND priority = ANY(%(priorities)s)
                          AND due_at <= now() + %(offset)s)
    """
    with connection.cursor() as cursor:
        parameters: dict[str, Any] = {"priorities": list(priorities), "offset": offset}
        cursor.execute(sql, parameters)
        ((found,),) = cursor.fetchall()
    return bool(found)


@cache
def _claim_sql(priorities: int, *, suspicious: bool) -> str:
    """One index scan per priority, so that rows that are not due yet are not walked, whatever their priority. The rows
    are then found by their place (ctid), which holds for this statement, as they are locked: one plan, whatever the
    database believes of the table's size."""
    scans = ", ".join(_scan(place, suspicious=suspicious) for place in range(priorities))
    every = " UNION ALL ".join(f"SELECT ctid FROM due_{place}" for place in range(priorities))  # noqa: S608 - numbers of ours
    return f"""
        WITH {scans}, hasty AS MATERIALIZED (
            SELECT set_config('synchronous_commit', 'off', true)
        ), claimed AS (
            UPDATE crm_queue SET lease_token = %(token)s WHERE ctid = ANY(ARRAY({every}))
            RETURNING communication_id, priority, due_at
        ), lease AS (
            INSERT INTO crm_queue_leases (token, expires_at, worker, communication_ids)
            SELECT %(token)s, clock_timestamp() + %(lease)s, %(worker)s, array_agg(communication_id)
              FROM claimed HAVING count(*) > 0
        )
        SELECT communication_id, now() FROM claimed, hasty ORDER BY priority, due_at
    """  # noqa: S608 - as above


def _scan(place: int, *, suspicious: bool) -> str:
    taken = "".join(f" - (SELECT count(*) FROM due_{before})" for before in range(place))  # noqa: S608 - as above
    # now() and not clock_timestamp(): what is volatile cannot be looked up in an index.
    return f"""due_{place} AS MATERIALIZED (
        SELECT ctid FROM crm_queue
         WHERE lease_token IS NULL AND waits_for = '' AND priority = %(priority_{place})s
           AND due_at <= now() + %(offset)s AND lapses {">=" if suspicious else "<"} {ALONE_AFTER_LAPSES}
         ORDER BY due_at LIMIT greatest(%(limit)s - %(kept_{place})s{taken}, 0) FOR NO KEY UPDATE SKIP LOCKED
    )"""  # noqa: S608 - numbers and one of two operators; values are bound


def give_back(*, lease_token: UUID, ids: Collection[UUID]) -> None:
    """What was claimed and not called is free again, due as it was. What is not ours any more stays as it is."""
    if not ids:
        return
    # Without waiting: whoever holds a row's lock is taking it away from us.
    sql = """
        UPDATE crm_queue SET lease_token = NULL
         WHERE communication_id IN (SELECT q.communication_id
                                      FROM crm_queue q JOIN crm_communications c ON c.id = q.communication_id
                                     WHERE q.communication_id = ANY(%s) AND q.lease_token = %s
                                       AND c.status = 'scheduled' FOR NO KEY UPDATE OF q SKIP LOCKED)
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [list(ids), lease_token])


def renew_lease(*, lease_token: UUID) -> None:
    """Keep what is still ours for another full lease. One that has run out stays so."""
    sql = """
        UPDATE crm_queue_leases SET expires_at = clock_timestamp() + make_interval(secs => %s)
         WHERE token = %s AND expires_at > clock_timestamp()
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [LEASE.total_seconds(), lease_token])


def release_lapsed(*, actor: str, now: datetime) -> int:
    """Take back rows whose worker is gone: due again if no call had begun, in doubt if one had.

    Run it after the journals of dead workers were replayed, so that what is known is not put in doubt.
    """
    with transaction.atomic():
        rows = _lapsed()
        applied = lifecycle.apply((_after_lapse(row, actor, now) for row in rows), now=now)
        _count_lapse([row.id for row in rows if not row.called and row.id in applied.changed])
        doubtful = [row.id for row in rows if row.called and row.id in applied.changed]
        mark_unknown(communication_ids=doubtful, now=now)
        for row in rows:
            if row.id in applied.changed and (kind := _shown_as(row)):
                attention.raise_item(
                    kind=kind, dedupe_key=str(row.id), target=f"communication:{row.id}", details={}, now=now
                )
    return len(applied.changed)


@dataclass(frozen=True)
class _Lapsed:
    id: UUID
    called: bool
    lapses: int

    @property
    def gives_up(self) -> bool:
        return self.lapses + 1 >= FAILED_AFTER_LAPSES


def _shown_as(row: _Lapsed) -> AttentionKind | None:
    """What a lapse shows to people; nothing while it is only tried again."""
    if row.called:
        return AttentionKind.IN_DOUBT
    return AttentionKind.DELIVERY_FAILED if row.gives_up else None


def _lapsed() -> list[_Lapsed]:
    """What bears the token of a lease that has run out, locked: leases, then as by the fence communications before
    their places in the queue. What others have locked is left for later, and so is its lease; empty ones are removed.
    """
    sql = """
        WITH lapsed AS MATERIALIZED (
            SELECT token, communication_ids FROM crm_queue_leases WHERE expires_at < clock_timestamp()
             ORDER BY expires_at LIMIT %(leases)s FOR UPDATE SKIP LOCKED
        ), held AS MATERIALIZED (
            SELECT q.communication_id, q.lease_token
              FROM lapsed JOIN crm_queue q ON q.communication_id = ANY(lapsed.communication_ids)
                                          AND q.lease_token = lapsed.token
        ), done AS (
            DELETE FROM crm_queue_leases l USING lapsed
             WHERE l.token = lapsed.token AND NOT EXISTS (SELECT FROM held WHERE held.lease_token = l.token)
        )
        SELECT c.id, c.status = 'sending', q.lapses
          FROM held JOIN crm_communications c ON c.id = held.communication_id
                    JOIN crm_queue q ON q.communication_id = c.id AND q.lease_token = held.lease_token
         WHERE (SELECT count(*) FROM held) > 0 AND c.status IN ('scheduled', 'sending')
         ORDER BY c.id LIMIT %(rows)s FOR NO KEY UPDATE OF c, q SKIP LOCKED
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, {"leases": _LEASES_AT_ONCE, "rows": _SWEEP_LIMIT})
        return [_Lapsed(*row) for row in cursor.fetchall()]


def _count_lapse(ids: Sequence[UUID]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE crm_queue SET lapses = lapses + 1 WHERE communication_id = ANY(%s)", [list(ids)]
        )


def _after_lapse(row: _Lapsed, actor: str, now: datetime) -> Transition:
    if row.called:
        to, cause = Status.IN_DOUBT, Cause.LEASE_LAPSED_CALLED
    elif row.gives_up:
        to, cause = Status.FAILED, Cause.LEASE_LAPSED_TOO_OFTEN
    else:
        to, cause = Status.SCHEDULED, Cause.LEASE_LAPSED_UNCALLED
    return Transition(row.id, to, cause, actor, now)
