"""Which attempt a receipt is about."""

from collections.abc import Sequence
from uuid import UUID

from communications.models import DeliveryAttempt, Receipt


def match(receipts: Sequence[Receipt]) -> dict[UUID, UUID]:
    """Receipt id → attempt id, by what the provider gave back: our own id first, then the provider's id of the message,
    then the Message-ID. Receipts whose attempt is not committed yet are absent. Three queries at most."""
    by_id = _known({row.attempt_reference for row in receipts if row.attempt_reference})
    by_provider_id = _by_provider_id(
        {(row.provider, row.provider_message_id) for row in receipts if row.provider_message_id}
    )
    by_message_id = _by_message_id({row.message_id for row in receipts if row.message_id})
    found = {
        row.id: (row.attempt_reference if row.attempt_reference in by_id else None)
        or by_provider_id.get((row.provider, row.provider_message_id))
        or by_message_id.get(row.message_id)
        for row in receipts
    }
    return {receipt: attempt for receipt, attempt in found.items() if attempt is not None}


def has_reference(receipt: Receipt) -> bool:
    """Whether its attempt can turn up at all."""
    return bool(receipt.attempt_reference or receipt.provider_message_id or receipt.message_id)


def _known(references: set[UUID]) -> set[UUID]:
    if not references:
        return set()
    return set(DeliveryAttempt.objects.filter(id__in=references).values_list("id", flat=True))


def _by_provider_id(wanted: set[tuple[str, str]]) -> dict[tuple[str, str], UUID]:
    if not wanted:
        return {}
    # The exclusion says nothing new; with it PostgreSQL may use the partial index for a list of any length.
    rows = DeliveryAttempt.objects.filter(
        provider__in={provider for provider, _ in wanted},
        provider_message_id__in={name for _, name in wanted},
    ).exclude(provider_message_id="")
    return {(row[0], row[1]): row[2] for row in rows.values_list("provider", "provider_message_id", "id")}


def _by_message_id(wanted: set[str]) -> dict[str, UUID]:
    if not wanted:
        return {}
    rows = DeliveryAttempt.objects.filter(message_id__in=wanted)
    return dict(rows.order_by("started_at").values_list("message_id", "id"))
