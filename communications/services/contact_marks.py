"""Addresses that do not work: what blames them, and the mark that closes them until there is a new one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count

from clients.models import ContactPoint
from clients.services.gate import bump_gate
from communications.choices import OutcomeClass
from communications.models import DeliveryAttempt


@dataclass(frozen=True)
class Mark:
    """`contact_point_id`: the one that the attempt used, never a newer one. `code`: the provider's."""

    client_id: UUID
    contact_point_id: UUID | None
    code: str


def mark_undeliverable(marks: Iterable[Mark], *, now: datetime) -> list[Mark]:
    """Returns those that were not marked before. What was checked with them no longer holds: bumps the clients' gates,
    whose rows it locks."""
    marks = sorted(marks, key=lambda mark: str(mark.contact_point_id))
    if not marks:
        return []
    bump_gate(client_ids=sorted({mark.client_id for mark in marks}))
    return [
        mark
        for mark in marks
        if mark.contact_point_id is not None
        and ContactPoint.objects.filter(id=mark.contact_point_id, undeliverable_at__isnull=True).update(
            undeliverable_at=now, undeliverable_code=mark.code
        )
    ]


def weak_counts(weak: Mapping[UUID, Mapping[str, Any]]) -> dict[UUID, tuple[int, int]]:
    """Of attempts that ended weakly, by id with their rows: such outcomes of the communication before it, and of the
    address in a row, with it."""
    counts: dict[UUID, tuple[int, int]] = {}
    for attempt_id, row in weak.items():
        same = DeliveryAttempt.objects.exclude(id=attempt_id)
        before = same.filter(
            communication_id=row["communication_id"], outcome_class=OutcomeClass.WEAK_RECIPIENT
        ).aggregate(found=Count("id"))["found"]
        latest = same.filter(contact_point_id=row["contact_point_id"]).exclude(outcome_class="")
        in_a_row = 1
        for outcome in latest.order_by("-started_at").values_list("outcome_class", flat=True)[:2]:
            if outcome != OutcomeClass.WEAK_RECIPIENT:
                break
            in_a_row += 1
        counts[attempt_id] = (before, in_a_row)
    return counts
