"""Receipts at the door: stored once, or spooled while the database is away, before they are acknowledged.

`services.receipt_effects` processes them, in a task that is rung for and by a sweep.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from django.db import connection

from communications.choices import OutcomeClass, ReceiptKind, ReceiptVerdict
from communications.models import Receipt
from communications.rules.receipts import KEPT_FOR, ProviderReceipt
from core import clock, spool
from core.crypto import keyed_hash
from core.database import DATABASE_AWAY, is_away
from core.errors import Unavailable
from core.sealing import seal_for_installation, unseal_for_installation
from core.wake import ring

PROCESS_TASK: Final = "communications.process_receipts"
SPOOL_KIND: Final = "receipts"
MAX_SPOOLED_BYTES: Final = 1_000_000
"""The broker's memory carries every wake-up: larger ones have to be told again."""
_PURGE_LIMIT: Final = 5_000
_MAX_TEXT: Final = {"provider_message_id": 255, "message_id": 255, "code": 64}


def register() -> None:
    """Called once, when the app is ready."""
    spool.register(SPOOL_KIND, _store_spooled)


def receive(receipts: Sequence[ProviderReceipt]) -> None:
    """Keep what a provider told, each once; when it returns, nothing of it can be lost any more.

    Raises Unavailable when neither the database nor its stand-in can keep it: the provider tells it again.
    """
    if not receipts:
        return
    try:
        store(receipts, received_at=clock.now())
    except DATABASE_AWAY:
        if not is_away():
            raise
        _spool(receipts)


def store(receipts: Sequence[ProviderReceipt], *, received_at: datetime) -> int:
    """One statement; what is there already is left as it is. Returns how many were new."""
    rows = {(each.provider, _dedupe(each)): each for each in receipts}
    columns: list[list[Any]] = [
        [uuid4() for _ in rows],
        [provider for provider, _ in rows],
        [dedupe for _, dedupe in rows],
        [each.kind.value for each in rows.values()],
        [_on_our_clock(each.occurred_at) for each in rows.values()],
        [each.attempt_id for each in rows.values()],
        [_cut(each.provider_message_id, "provider_message_id") for each in rows.values()],
        [_cut(each.message_id, "message_id") for each in rows.values()],
        [each.outcome_class.value if each.outcome_class else "" for each in rows.values()],
        [_cut(each.code, "code") for each in rows.values()],
        [each.by_machine for each in rows.values()],
        [_sealed(provider, dedupe, each.payload) for (provider, dedupe), each in rows.items()],
    ]
    sql = """
        INSERT INTO crm_receipts (id, provider, dedupe_key, kind, occurred_at, attempt_reference, provider_message_id,
                                  message_id, outcome_class, outcome_code, by_machine, payload, received_at, look_at,
                                  verdict, looks, failures)
        SELECT i.*, %s, %s, %s, 0, 0
          FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::uuid[], %s::text[],
                      %s::text[], %s::text[], %s::text[], %s::boolean[], %s::bytea[]) AS i
            ON CONFLICT (provider, dedupe_key) DO NOTHING
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [received_at, received_at, ReceiptVerdict.WAITING.value, *columns])
        new: int = cursor.rowcount
    if new:
        ring(PROCESS_TASK)
    return new


def payload_of(row: Receipt) -> Any:
    """The provider's own words. Raises Unreadable."""
    if row.payload is None:
        return None
    return unseal_for_installation(_place(row.provider, row.dedupe_key), row.payload)


def reseal(row: Receipt, payload: Any) -> None:
    """Keep these words instead of those it came with; the caller saves the row."""
    row.payload = _sealed(row.provider, row.dedupe_key, payload)


def purge(*, now: datetime) -> int:
    """Forget what is older than 30 days, some thousands at a time: what nobody claimed, and what is done."""
    old = Receipt.objects.filter(received_at__lt=now - KEPT_FOR).order_by("received_at")
    deleted, _ = Receipt.objects.filter(id__in=old.values("id")[:_PURGE_LIMIT]).delete()
    return deleted


def _spool(receipts: Sequence[ProviderReceipt]) -> None:
    body = [_written(each) for each in receipts]
    if sum(len(str(each)) for each in body) > MAX_SPOOLED_BYTES:
        raise Unavailable(
            "The database is away, and this is too large to be kept until it is back. Tell it again."
        )
    spool.add(
        entry=spool.Entry(
            id=uuid4(),
            kind=SPOOL_KIND,
            caller=f"provider:{receipts[0].provider}",
            received_at=datetime.now(UTC),
            body=body,
        )
    )


def _store_spooled(entry: spool.Entry, now: datetime) -> bool:
    store([_read(each) for each in entry.body], received_at=now)
    return True


def _written(receipt: ProviderReceipt) -> dict[str, Any]:
    return asdict(receipt)


def _read(stored: dict[str, Any]) -> ProviderReceipt:
    occurred_at, attempt_id = stored.pop("occurred_at"), stored.pop("attempt_id")
    outcome = stored.pop("outcome_class")
    return ProviderReceipt(
        **stored | {"kind": ReceiptKind(stored["kind"])},
        occurred_at=datetime.fromisoformat(occurred_at) if occurred_at else None,
        attempt_id=UUID(attempt_id) if attempt_id else None,
        outcome_class=OutcomeClass(outcome) if outcome else None,
    )


def raw_payload(raw: bytes) -> dict[str, str]:
    """Bytes as they came, for a receipt that is read when it is processed."""
    return {"raw_base64": b64encode(raw).decode("ascii")}


def _dedupe(receipt: ProviderReceipt) -> str:
    return keyed_hash(receipt.dedupe_key, purpose=f"receipt {receipt.provider}")


def _sealed(provider: str, dedupe: str, payload: Any) -> bytes | None:
    return None if payload is None else seal_for_installation(_place(provider, dedupe), payload)


def _place(provider: str, dedupe: str) -> str:
    return "\n".join(("receipt", provider, dedupe))


def _on_our_clock(occurred_at: datetime | None) -> datetime | None:
    return None if occurred_at is None else occurred_at + clock.offset()


def _cut(text: str, name: str) -> str:
    # PostgreSQL takes neither NUL nor halves of characters.
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[: _MAX_TEXT[name]]
