"""What receipts do: read where need be, matched to their attempts, applied; in any order the same end.

Locks: receipts, then clients → requests → communications → attempts, as everywhere.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from communications.choices import AttentionKind, ReceiptKind, ReceiptVerdict
from communications.models import DeliveryAttempt, Receipt
from communications.rules.receipts import (
    IGNORED,
    UNREAD_AFTER_FAILURES,
    ProviderReceipt,
    look_again_after,
)
from communications.services.evidence import Told, apply_evidence
from communications.services.receipt_matching import has_reference, match
from communications.services.receipts import PROCESS_TASK, payload_of, reseal
from core import attention
from core.attention import Item
from core.database import DATABASE_AWAY
from core.logs import get_logger
from core.wake import ring

log = get_logger("receipts")

BATCH: Final = 200

Reader = Callable[[Any, datetime], ProviderReceipt]

_readers: dict[str, Reader] = {}


def register_reader(provider: str, reader: Reader) -> None:
    """How a provider's unread receipts are read: from payload and time of receipt. Called when the app is ready."""
    _readers[provider] = reader


def process_due(*, actor: str, now: datetime) -> int:
    """Process what waits and is due; returns how many receipts were looked at. Any worker may run it at any time."""
    looked_at = sum(_process_alone(receipt_id, actor, now) for receipt_id in _unread_ids(now))
    while True:
        try:
            found = _process_batch(actor, now, BATCH)
        except DATABASE_AWAY:
            raise
        except Exception:
            # One of them is to blame; the others must get their turn.
            log.exception("receipts not processed together, now one by one")
            due = _due(now).exclude(kind=ReceiptKind.UNREAD)
            ids = list(due.values_list("id", flat=True)[:BATCH])
            found = sum(_process_alone(receipt_id, actor, now) for receipt_id in ids)
        looked_at += found
        if found < BATCH:
            return looked_at


def _due(now: datetime) -> Any:
    return Receipt.objects.filter(processed_at__isnull=True, look_at__lte=now).order_by("look_at", "id")


def _unread_ids(now: datetime) -> list[UUID]:
    """Each by itself: they are large, and reading may take a while."""
    return list(_due(now).filter(kind=ReceiptKind.UNREAD).values_list("id", flat=True)[:BATCH])


def _process_batch(actor: str, now: datetime, limit: int) -> int:
    with transaction.atomic():
        due = _due(now).exclude(kind=ReceiptKind.UNREAD)
        rows = list(due.select_for_update(skip_locked=True)[:limit])
        _process(rows, actor, now)
    return len(rows)


def _process_alone(receipt_id: UUID, actor: str, now: datetime) -> int:
    try:
        with transaction.atomic():
            rows = list(
                Receipt.objects.select_for_update(skip_locked=True).filter(
                    id=receipt_id, processed_at__isnull=True
                )
            )
            _process(rows, actor, now)
    except DATABASE_AWAY:
        raise
    except Exception:
        log.exception("receipt not processed")
        _note_failure(receipt_id, now)
    return 1


def _note_failure(receipt_id: UUID, now: datetime) -> None:
    with transaction.atomic():
        row = Receipt.objects.select_for_update().filter(id=receipt_id, processed_at__isnull=True).first()
        if row is None:
            return
        row.failures += 1
        row.look_at = now + look_again_after(row.failures)
        if row.failures >= UNREAD_AFTER_FAILURES:
            row.verdict, row.processed_at = ReceiptVerdict.REJECTED, now
            attention.raise_item(
                kind=AttentionKind.RECEIPT_REJECTED,
                dedupe_key=row.provider,
                target=f"receipt:{row.id}",
                details={"provider": row.provider},
                now=now,
            )
        row.save(update_fields=["failures", "look_at", "verdict", "processed_at"])


def _process(rows: Sequence[Receipt], actor: str, now: datetime) -> None:
    if not rows:
        return
    payloads = {row.id: payload_of(row) for row in rows}
    for row in rows:
        if row.kind == ReceiptKind.UNREAD:
            payloads[row.id] = _read(row, payloads[row.id])
    known = [row for row in rows if row.kind not in IGNORED]
    attempts = match(known)
    by_attempt: dict[UUID, list[Told]] = defaultdict(list)
    for row in known:
        if row.id in attempts:
            by_attempt[attempts[row.id]].append(Told.of(row, payloads[row.id]))
    too_early = apply_evidence(by_attempt, actor=actor, now=now)
    for row in rows:
        _settle(row, attempts, too_early, now)
    _show_replies([row for row in rows if row.kind == ReceiptKind.REPLY and row.processed_at], now)
    Receipt.objects.bulk_update(rows, _WRITTEN)


def _show_replies(replies: Sequence[Receipt], now: datetime) -> None:
    """People read them: on the page of the message that they answer, or where they came in."""
    attempts = (
        DeliveryAttempt.objects.filter(id__in=[row.attempt_reference for row in replies]) if replies else ()
    )
    answered = {attempt.id: f"communication:{attempt.communication_id}" for attempt in attempts}
    attention.raise_items(
        [
            Item(
                AttentionKind.REPLY_RECEIVED,
                str(row.id),
                answered.get(row.attempt_reference or row.id, f"receipt:{row.id}"),
                {"provider": row.provider},
            )
            for row in replies
        ],
        now=now,
    )


_READ: Final = ("kind", "occurred_at", "provider_message_id", "message_id", "by_machine")
_WRITTEN: Final = (
    *_READ,
    "attempt_reference",
    "outcome_class",
    "outcome_code",
    "payload",
    "verdict",
    "processed_at",
    "look_at",
    "looks",
)


def _read(row: Receipt, payload: Any) -> Any:
    """Fills in what the provider's words say; returns those that are worth keeping."""
    said = _readers[row.provider](payload, row.received_at)
    for name in _READ:
        setattr(row, name, getattr(said, name))
    row.attempt_reference = said.attempt_id
    row.outcome_class, row.outcome_code = said.outcome_class or "", said.code
    reseal(row, said.payload)
    return said.payload


def _settle(row: Receipt, attempts: Mapping[UUID, UUID], too_early: frozenset[UUID], now: datetime) -> None:
    attempt = attempts.get(row.id)
    if row.kind in IGNORED:
        row.verdict, row.processed_at = ReceiptVerdict.IGNORED, now
    elif attempt is not None and attempt not in too_early:
        # Its words are with the attempt now, under the client's key.
        row.verdict, row.processed_at, row.attempt_reference, row.payload = (
            ReceiptVerdict.APPLIED,
            now,
            attempt,
            None,
        )
    elif not has_reference(row):
        row.verdict, row.processed_at = ReceiptVerdict.UNMATCHED, now
    else:
        row.look_at, row.looks = now + look_again_after(row.looks), min(row.looks + 1, 1_000)
        if row.looks == 1:
            ring(PROCESS_TASK)
