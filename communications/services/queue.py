"""The queue in the database: claiming what is due, keeping the claim, and taking back what a lost worker held.

Leases live on the database's clock. Due times follow the product's clock (`offset` is the demo's, else zero).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from django.db import connection, transaction

from communications.choices import Cause, Status
from communications.rules.message_types import PRIORITIES
from communications.services import lifecycle
from communications.services.attempts import mark_unknown
from communications.services.lifecycle import Transition
from core import attention, clock

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


def claim_due(*, limit: int, offset: timedelta, worker: str) -> Claim | None:
    """Lease up to `limit` due rows, or None when nothing is due. Never waits for another worker.

    One indexed query per priority, so future rows of a higher priority are not walked. A row that was lost with
    its worker several times is taken alone: whatever it does, it takes nothing else down.
    """
    with transaction.atomic():
        ids: list[UUID] = []
        for priority in PRIORITIES:
            if len(ids) < limit:
                ids += _due(priority, limit - len(ids), offset, suspicious=False)
        if not ids:
            for priority in PRIORITIES:
                ids = ids or _due(priority, 1, offset, suspicious=True)
        if not ids:
            return None
        token = uuid4()
        now = _database_now()
        applied = lifecycle.apply(
            Transition(
                communication_id=row,
                to=Status.SENDING,
                cause=Cause.CLAIMED,
                actor=worker,
                at=now + offset,
                changes={"lease_token": token, "lease_expires_at": now + LEASE, "call_started_at": None},
            )
            for row in ids
        )
        return Claim(token, tuple(row for row in ids if row in applied.changed), now)


def _due(priority: int, limit: int, offset: timedelta, *, suspicious: bool) -> list[UUID]:
    sql = f"""
        SELECT id FROM crm_communications
         WHERE status = 'scheduled' AND priority = %s AND due_at <= clock_timestamp() + make_interval(secs => %s)
           AND lapsed_leases {">=" if suspicious else "<"} %s
         ORDER BY due_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
    """  # noqa: S608 - the operator is one of two literals
    with connection.cursor() as cursor:
        cursor.execute(sql, [priority, offset.total_seconds(), ALONE_AFTER_LAPSES, limit])
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


def release_lapsed(*, actor: str) -> int:
    """Take back rows whose worker is gone: due again if no call had begun, in doubt if one had.

    Run it after the journals of dead workers were replayed, so that what is known is not put in doubt.
    """
    with transaction.atomic():
        rows = _lapsed()
        now = clock.now()
        applied = lifecycle.apply(_after_lapse(row, actor, now) for row in rows)
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


def _shown_as(row: _Lapsed) -> str:
    """The kind of attention item that a lapse leaves, empty while it is only tried again."""
    if row.called:
        return "in_doubt"
    return "delivery_failed" if row.gives_up else ""


def _lapsed() -> list[_Lapsed]:
    sql = """
        SELECT id, call_started_at IS NOT NULL, lapsed_leases FROM crm_communications
         WHERE status = 'sending' AND lease_expires_at < clock_timestamp()
         ORDER BY id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [_SWEEP_LIMIT])
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
