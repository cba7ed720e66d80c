"""The queue in the database: claiming what is due, keeping the claim, and taking back what a lost worker held.

Leases live on the database's clock. Due times follow the product's clock (`offset` is the demo's, else zero).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from django.db import connection, transaction

from communications.choices import AttentionKind, Cause, Status
from communications.rules.message_types import PRIORITIES
from communications.services import lifecycle
from communications.services.attempts import mark_unknown
from communications.services.lifecycle import Transition
from core import attention

DISPATCH_TASK: Final = "communications.dispatch_due"
LEASE: Final = timedelta(seconds=120)
ALONE_AFTER_LAPSES: Final = 3
FAILED_AFTER_LAPSES: Final = 5
_SWEEP_LIMIT: Final = 500


@dataclass(frozen=True)
class Claim:
    """Rows that are ours until `lease_expires_at`, most urgent first."""

    lease_token: UUID
    ids: tuple[UUID, ...]
    claimed_at: datetime


def claim_due(*, limit: int, offset: timedelta, worker: str, suspicious: bool = False) -> Claim | None:
    """Lease up to `limit` due rows, or None when nothing is due. Never waits for another worker.

    One index scan per priority, so future rows are not walked. Rows that were lost with their worker several times
    are `suspicious` and claimed only when asked for, so that, one at a time, they take nothing else down.
    """
    with transaction.atomic():
        now = _database_now()
        ids: list[UUID] = []
        for priority in PRIORITIES:
            if len(ids) < limit:
                ids += _due(priority, limit - len(ids), now + offset, suspicious=suspicious)
        if not ids:
            return None
        token = uuid4()
        applied = lifecycle.apply(
            (
                Transition(
                    communication_id=row,
                    to=Status.SENDING,
                    cause=Cause.CLAIMED,
                    actor=worker,
                    at=now + offset,
                    changes={"lease_token": token, "lease_expires_at": now + LEASE, "call_started_at": None},
                )
                for row in ids
            ),
            now=now + offset,
        )
        return Claim(token, tuple(row for row in ids if row in applied.changed), now)


def _due(priority: int, limit: int, now: datetime, *, suspicious: bool) -> list[UUID]:
    # The instant is bound: a volatile clock_timestamp() in here could not be looked up in the index.
    sql = f"""
        SELECT id FROM crm_communications
         WHERE status = 'scheduled' AND priority = %s AND due_at <= %s
           AND lapsed_leases {">=" if suspicious else "<"} {ALONE_AFTER_LAPSES}
         ORDER BY due_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
    """  # noqa: S608 - the operator is one of two literals, the number a constant
    with connection.cursor() as cursor:
        cursor.execute(sql, [priority, now, limit])
        return [row[0] for row in cursor.fetchall()]


def _database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        ((now,),) = cursor.fetchall()
    value: datetime = now
    return value


def renew_lease(*, lease_token: UUID, ids: Collection[UUID]) -> None:
    """Keep what is still ours for another full lease. Rows that are not ours any more stay as they are."""
    sql = """
        UPDATE crm_communications SET lease_expires_at = clock_timestamp() + make_interval(secs => %s)
         WHERE id = ANY(%s) AND status = 'sending' AND lease_token = %s AND lease_expires_at > clock_timestamp()
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [LEASE.total_seconds(), list(ids), lease_token])


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
