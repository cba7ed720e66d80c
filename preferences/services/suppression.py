"""Addresses that are not to be written to: suppressing, releasing, and whom that touches."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from clients.choices import CONTACT_KIND_OF
from clients.models import ContactPoint
from clients.services.gate import bump_gate
from core import audit
from core.choices import Channel
from core.errors import Conflict, NotFound
from preferences.choices import ReleaseReason, SuppressionReason
from preferences.models import Suppression


@dataclass(frozen=True, slots=True)
class Address:
    """An address on a channel, by its blind index; `address` None where nothing but the hash is known."""

    channel: Channel
    address_index: str
    address: str | None
    since: datetime
    reason: SuppressionReason = SuppressionReason.OPTED_OUT


def clients_at(address_indexes: Collection[str]) -> set[UUID]:
    """The clients who have one of these addresses now."""
    rows = ContactPoint.objects.filter(address_index__in=address_indexes, replaced_at__isnull=True)
    return set(rows.values_list("client_id", flat=True))


def suppress(addresses: Sequence[Address], *, actor: str, now: datetime) -> list[UUID]:
    """Addresses that are suppressed already stay as they are. Call it with the gates of `clients_at` bumped, in one
    transaction. Returns the new rows."""
    if not addresses:
        return []
    # In one order, so that two callers with the same ones wait for each other, never in a ring.
    unique = {(each.address_index, each.channel): each for each in addresses}
    rows = [
        Suppression(
            channel=each.channel,
            kind=CONTACT_KIND_OF[each.channel],
            address_index=each.address_index,
            address=each.address,
            reason=each.reason,
            occurred_at=each.since,
            created_by=actor,
            created_at=now,
        )
        for _, each in sorted(unique.items())
    ]
    Suppression.objects.bulk_create(rows, ignore_conflicts=True)
    wished = {row.id: row.reason for row in rows}
    made = dict(Suppression.objects.filter(id__in=wished).values_list("id", "reason"))
    audit.record_many(
        [
            audit.Entry("suppression.added", f"suppression:{row}", {"reason": why})
            for row, why in made.items()
        ],
        actor=actor,
        now=now,
    )
    return list(made)


def release_opted_out(*, addresses: Collection[tuple[Channel, str]], actor: str, now: datetime) -> None:
    """Their clients opted in again. What is suppressed for another reason stays. Call it with the gates of `clients_at`
    bumped."""
    for channel, index in sorted(addresses):
        rows = Suppression.objects.filter(
            channel=channel, address_index=index, reason=SuppressionReason.OPTED_OUT, released_at__isnull=True
        )
        for row in rows.select_for_update():
            _release(row, ReleaseReason.OPTED_IN_AGAIN, actor, now)


def release(*, suppression_id: UUID, reason: ReleaseReason, actor: str, now: datetime) -> Suppression:
    """The address may be written to again, as far as its clients allow it. Raises NotFound, and Conflict when it was
    released already."""
    with transaction.atomic():
        row = Suppression.objects.filter(id=suppression_id).first()
        if row is None:
            raise NotFound("There is no such suppression.", code="suppression_not_found")
        bump_gate(client_ids=clients_at([row.address_index]))
        row = Suppression.objects.select_for_update().get(id=suppression_id)
        if row.released_at is not None:
            raise Conflict("Somebody released this address already.", code="already_released")
        _release(row, reason, actor, now)
    return row


def _release(row: Suppression, reason: ReleaseReason, actor: str, now: datetime) -> None:
    row.released_at, row.released_by, row.release_reason = now, actor, reason
    row.save(update_fields=["released_at", "released_by", "release_reason"])
    audit.record(
        actor=actor,
        action="suppression.released",
        target=f"suppression:{row.id}",
        details={"reason": reason.value},
        now=now,
    )
