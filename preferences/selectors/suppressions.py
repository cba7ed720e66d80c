"""The list of addresses that are not to be written to, by pages, in a fixed number of queries."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from clients.addresses import address_index, mask, normalise_email, normalise_phone
from clients.choices import ContactKind
from core.choices import Channel
from core.errors import FieldProblem, Invalid
from core.people import actor_names
from preferences.choices import ReleaseReason, SuppressionReason
from preferences.models import Suppression

TOTAL_CAP: Final = 10_000


@dataclass(frozen=True)
class SuppressionFilters:
    """`address` is written out in full: it is found by its hash. `released`: those that may be written to again."""

    address: str = ""
    channel: Channel | None = None
    reason: SuppressionReason | None = None
    released: bool = False


@dataclass(frozen=True)
class SuppressionLine:
    """`masked` is empty where only the hash is left."""

    row: Suppression
    masked: str
    reason: str
    by: str
    released_by: str
    release_reason: str


@dataclass(frozen=True)
class SuppressionPage:
    """`total` is exact up to TOTAL_CAP. `next_cursor` is None on the last page."""

    lines: Sequence[SuppressionLine]
    total: int
    total_is_capped: bool
    next_cursor: str | None


def list_suppressions(
    filters: SuppressionFilters, *, after: UUID | None = None, limit: int
) -> SuppressionPage:
    """The newest first. Raises Invalid when there is no row `after`."""
    matching = _matching(filters)
    total = matching.order_by()[: TOTAL_CAP + 1].count()
    rows = list(_after(matching.order_by("-created_at", "-id"), after)[: limit + 1])
    page = rows[:limit]
    return SuppressionPage(
        lines=_lines(page),
        total=min(total, TOTAL_CAP),
        total_is_capped=total > TOTAL_CAP,
        next_cursor=str(page[-1].id) if len(rows) > limit else None,
    )


def get_suppression(suppression_id: UUID) -> SuppressionLine | None:
    row = Suppression.objects.filter(id=suppression_id).first()
    return _lines([row])[0] if row is not None else None


def _matching(filters: SuppressionFilters) -> QuerySet[Suppression]:
    rows = Suppression.objects.filter(released_at__isnull=not filters.released)
    if filters.channel is not None:
        rows = rows.filter(channel=filters.channel)
    if filters.reason is not None:
        rows = rows.filter(reason=filters.reason)
    if filters.address.strip():
        rows = rows.filter(address_index__in=_indexes(filters.address.strip()))
    return rows


def _indexes(text: str) -> list[str]:
    found = []
    with suppress(Invalid):
        found.append(address_index(normalise_email(text, field="q"), kind=ContactKind.EMAIL))
    with suppress(Invalid):
        phone = normalise_phone(text, region=settings.CRM_DEFAULT_REGION, field="q")
        found.append(address_index(phone, kind=ContactKind.PHONE))
    return found


def _after(rows: QuerySet[Suppression], after: UUID | None) -> QuerySet[Suppression]:
    if after is None:
        return rows
    last = Suppression.objects.filter(id=after).values_list("created_at", flat=True).first()
    if last is None:
        message = "This page of the list is not there any more."
        raise Invalid([FieldProblem("cursor", "invalid_cursor", message)])
    return rows.filter(Q(created_at__lt=last) | Q(created_at=last, id__lt=after), created_at__lte=last)


def _lines(rows: Sequence[Suppression]) -> list[SuppressionLine]:
    names = actor_names(
        {row.created_by for row in rows} | {row.released_by for row in rows if row.released_by}
    )
    return [
        SuppressionLine(
            row=row,
            masked=mask(row.address, kind=ContactKind(row.kind)) if row.address else "",
            reason=SuppressionReason(row.reason).label,
            by=names.get(
                row.created_by, "the client" if row.created_by.startswith("client:") else row.created_by
            ),
            released_by=names.get(row.released_by, row.released_by),
            release_reason=ReleaseReason(row.release_reason).label if row.release_reason else "",
        )
        for row in rows
    ]
