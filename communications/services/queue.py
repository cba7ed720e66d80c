"""The queue in the database: claiming what is due, keeping the claim, and taking back what a lost worker held.

Leases live on the database's clock. Due times follow the product's clock (`offset` is the demo's, else zero).
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
    are `suspicious` and claimed only when asked for, so that, one at a time, they take nothing else down.
    """
    with transaction.atomic():
        due = _due(priorities, limit, offset, suspicious=suspicious)
        if not due:
            return None
        now, token = due[0][1], uuid4()
        claimed = lifecycle.claim(
            ids=[row for row, _ in due],
            lease_token=token,
            lease_expires_at=now + LEASE,
            actor=worker,
            at=now + offset,
        )
        return Claim(token, tuple(row for row, _ in due if row in claimed), now)


def has_due(*, priorities: Sequence[int], offset: timedelta) -> bool:
    sql = """
        SELECT EXISTS (SELECT FROM crm_communications
                        WHERE status = 'scheduled' AND waits_for = '' AND priority = ANY(%(priorities)s)
                          AND due_at <= now() + %(offset)s)
    """
    with connection.cursor() as cursor:
        parameters: dict[str, Any] = {"priorities": list(priorities), "offset": offset}
        cursor.execute(sql, parameters)
        ((found,),) = cursor.fetchall()
    return bool(found)


def _due(
    priorities: Sequence[int], limit: int, offset: timedelta, *, suspicious: bool
) -> list[tuple[UUID, datetime]]:
    """The rows, locked, each with the database's time."""
    parameters: dict[str, Any] = {"limit": limit, "offset": offset}
    for place, kept in enumerate(kept_for_later(priorities, limit)):
        parameters |= {f"priority_{place}": priorities[place], f"kept_{place}": kept}
    with connection.cursor() as cursor:
        cursor.execute(_due_sql(len(priorities), suspicious=suspicious), parameters)
        rows: list[tuple[UUID, datetime]] = cursor.fetchall()
    return rows


@cache
def _due_sql(priorities: int, *, suspicious: bool) -> str:
    """One index scan per priority, so that rows that are not due yet are not walked, whatever their priority."""
    scans = ", ".join(_scan(place, suspicious=suspicious) for place in range(priorities))
    every = " UNION ALL ".join(f"SELECT * FROM due_{place}" for place in range(priorities))  # noqa: S608 - numbers of ours
    return f"WITH {scans} SELECT id, now() FROM ({every}) AS due ORDER BY place, due_at"  # noqa: S608 - as above


def _scan(place: int, *, suspicious: bool) -> str:
    taken = "".join(f" - (SELECT count(*) FROM due_{before})" for before in range(place))  # noqa: S608 - as above
    # now() and not clock_timestamp(): what is volatile cannot be looked up in an index.
    return f"""due_{place} AS MATERIALIZED (
        SELECT id, {place} AS place, due_at FROM crm_communications
         WHERE status = 'scheduled' AND waits_for = '' AND priority = %(priority_{place})s
           AND due_at <= now() + %(offset)s AND lapsed_leases {">=" if suspicious else "<"} {ALONE_AFTER_LAPSES}
         ORDER BY due_at LIMIT greatest(%(limit)s - %(kept_{place})s{taken}, 0) FOR NO KEY UPDATE SKIP LOCKED
    )"""  # noqa: S608 - numbers and one of two operators; values are bound


def renew_lease(*, lease_token: UUID, ids: Collection[UUID]) -> None:
    """Keep what is still ours for another full lease. Rows that are not ours any more stay as they are."""
    sql = """
        UPDATE crm_communications SET lease_expires_at = clock_timestamp() + make_interval(secs => %s)
         WHERE id = ANY(%s) AND status = 'sending' AND lease_token = %s AND lease_expires_at > clock_timestamp()
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [LEASE.total_seconds(), list(ids), lease_token])


def _database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        ((now,),) = cursor.fetchall()
    value: datetime = now
    return value


def release_lapsed(*, actor: str, now: datetime) -> int:
    """Take back rows whose worker is gone: due again if no call had begun, in doubt if one had.

    Run it after the journals of dead workers were replayed, so that what is known is not put in doubt.
    """
    with transaction.atomic():
        rows = _lapsed(_database_now())
        applied = lifecycle.apply((_after_lapse(row, actor, now) for row in rows), now=now)
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


def _lapsed(now: datetime) -> list[_Lapsed]:
    sql = """
        SELECT id, call_started_at IS NOT NULL, lapsed_leases FROM crm_communications
         WHERE status = 'sending' AND lease_expires_at < %s
         ORDER BY id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [now, _SWEEP_LIMIT])
        return [_Lapsed(*row) for row in cursor.fetchall()]


def _after_lapse(row: _Lapsed, actor: str, now: datetime) -> Transition:
    if row.called:
        to, cause, changes = Status.IN_DOUBT, Cause.LEASE_LAPSED_CALLED, {}
    elif row.gives_up:
        to, cause = Status.FAILED, Cause.LEASE_LAPSED_TOO_OFTEN
        changes = {"lapsed_leases": row.lapses + 1}
    else:
        to, cause = Status.SCHEDULED, Cause.LEASE_LAPSED_UNCALLED
        changes = {"lapsed_leases": row.lapses + 1}
    return Transition(row.id, to, cause, actor, now, changes=changes)
