"""`Idempotency-Key` (engine.md §Idempotency): same body, same answer; another body is refused; still running, 409."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection

from communications.models import IdempotencyKey
from communications.services.commands import Idempotency
from core.crypto import keyed_hash
from core.errors import Conflict, FieldProblem, Invalid

VALID_FOR: Final = timedelta(hours=24)
KEY_IN_USE: Final = "idempotency_key_in_use"
_PURPOSE: Final = "idempotency_key"


def find_first(*, idempotency: Idempotency, caller: str, now: datetime) -> UUID | None:
    """The request that this key led to before, or None: it is new and ours until the transaction ends.

    Call it first in the transaction. Raises Conflict while the first call with the key still runs (a crashed one
    frees it with its connection), and Invalid when the key came with another body.
    """
    key_hash = _key_hash(idempotency)
    if not _try_lock(caller, key_hash):
        raise Conflict(
            "A request with this Idempotency-Key is still running. Repeat it in a few seconds.",
            code=KEY_IN_USE,
        )
    row = IdempotencyKey.objects.filter(caller=caller, key_hash=key_hash).first()
    if row is None:
        return None
    if row.created_at <= now - VALID_FOR:
        row.delete()
        return None
    if row.body_hash != body_hash(idempotency):
        raise key_reused()
    return row.request_id


def key_reused() -> Invalid:
    sentence = "This key came with another body before. Use a new key for a new request."
    return Invalid([FieldProblem("Idempotency-Key", "idempotency_key_reused", sentence)])


def remember(*, idempotency: Idempotency, caller: str, request_id: UUID, now: datetime) -> None:
    IdempotencyKey.objects.create(
        caller=caller,
        key_hash=_key_hash(idempotency),
        body_hash=body_hash(idempotency),
        request_id=request_id,
        created_at=now,
    )


def purge_expired(*, now: datetime, limit: int = 10_000) -> int:
    """Delete keys that are no longer valid; bounded, so that it can run beside everything else."""
    old = IdempotencyKey.objects.filter(created_at__lte=now - VALID_FOR).values("pk")[:limit]
    deleted, _ = IdempotencyKey.objects.filter(pk__in=old).delete()
    return deleted


def _try_lock(caller: str, key_hash: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"{caller}\n{key_hash}"])
        row = cursor.fetchone()
    return bool(row and row[0])


def _key_hash(idempotency: Idempotency) -> str:
    return keyed_hash(idempotency.key, purpose=_PURPOSE)


def body_hash(idempotency: Idempotency) -> str:
    return keyed_hash(idempotency.body, purpose="idempotency_body")
