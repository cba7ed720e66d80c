"""`Idempotency-Key` (engine.md §Idempotency): same body, same answer; another body is refused; still running, 409."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection

from communications.models import IdempotencyKey
from communications.services.commands import Idempotency
from core.copying import copy_in
from core.crypto import keyed_hash
from core.errors import Conflict, FieldProblem, Invalid

VALID_FOR: Final = timedelta(hours=24)
KEY_IN_USE: Final = "idempotency_key_in_use"
_PURPOSE: Final = "idempotency_key"


@dataclass(frozen=True, slots=True)
class Found:
    """What a key leads to: its first request, a refusal, or neither, when it is new and ours until the transaction
    ends."""

    request_id: UUID | None = None
    refusal: Conflict | Invalid | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """A key and the request that it leads to from now on."""

    idempotency: Idempotency
    request_id: UUID


def find_firsts(*, keys: Sequence[Idempotency], caller: str, now: datetime) -> list[Found]:
    """What each of these different keys led to before.

    Call it first in the transaction. Refused are keys whose first call still runs (a crashed one frees its key with
    its connection), and keys that came with another body. Three queries.
    """
    if not keys:
        return []
    hashes = [_key_hash(key) for key in keys]
    ours = _try_locks(caller, hashes)
    rows = {
        row.key_hash: row for row in IdempotencyKey.objects.filter(caller=caller, key_hash__in=list(ours))
    }
    expired = [row.pk for row in rows.values() if row.created_at <= now - VALID_FOR]
    if expired:
        IdempotencyKey.objects.filter(pk__in=expired).delete()
    return [
        _found(key, rows.get(key_hash), now) if key_hash in ours else Found(refusal=_still_running())
        for key, key_hash in zip(keys, hashes, strict=True)
    ]


def known(*, keys: Collection[Idempotency], caller: str, now: datetime) -> set[str]:
    """Those of the keys that led to a request already. One query, no locks; none without keys."""
    hashes = {_key_hash(key): key.key for key in keys}
    if not hashes:
        return set()
    rows = IdempotencyKey.objects.filter(
        caller=caller, key_hash__in=list(hashes), created_at__gt=now - VALID_FOR
    )
    return {hashes[key_hash] for key_hash in rows.values_list("key_hash", flat=True)}


def _found(key: Idempotency, row: IdempotencyKey | None, now: datetime) -> Found:
    if row is None or row.created_at <= now - VALID_FOR:
        return Found()
    if row.body_hash == body_hash(key):
        return Found(row.request_id)
    return Found(refusal=key_reused(key.field))


def key_reused(field: str = Idempotency.field) -> Invalid:
    sentence = "This key came with another body before. Use a new key for a new request."
    return Invalid([FieldProblem(field, "idempotency_key_reused", sentence)])


def _still_running() -> Conflict:
    return Conflict(
        "A request with this Idempotency-Key is still running. Repeat it in a few seconds.",
        code=KEY_IN_USE,
    )


def remember(*, uses: Iterable[Use], caller: str, now: datetime) -> None:
    copy_in(
        IdempotencyKey,
        (
            {
                "caller": caller,
                "key_hash": _key_hash(use.idempotency),
                "body_hash": body_hash(use.idempotency),
                "request_id": use.request_id,
                "created_at": now,
            }
            for use in uses
        ),
    )


def purge_expired(*, now: datetime, limit: int = 10_000) -> int:
    """Delete keys that are no longer valid; bounded, so that it can run beside everything else."""
    old = IdempotencyKey.objects.filter(created_at__lte=now - VALID_FOR).values("pk")[:limit]
    deleted, _ = IdempotencyKey.objects.filter(pk__in=old).delete()
    return deleted


def _try_locks(caller: str, key_hashes: Sequence[str]) -> set[str]:
    """Those that nobody else holds."""
    sql = """
        SELECT key_hash FROM unnest(%s::text[]) AS key_hash
         WHERE pg_try_advisory_xact_lock(hashtextextended(%s || chr(10) || key_hash, 0))
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [list(key_hashes), caller])
        return {key_hash for (key_hash,) in cursor.fetchall()}


def _key_hash(idempotency: Idempotency) -> str:
    return keyed_hash(idempotency.key, purpose=_PURPOSE)


def body_hash(idempotency: Idempotency) -> str:
    return keyed_hash(idempotency.body, purpose="idempotency_body")
