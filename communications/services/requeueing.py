"""Putting many communications back at once: what failed, or what is in doubt (for `manage.py requeue`)."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from communications.choices import MessageType, Status
from communications.models import Communication, DeliveryAttempt
from communications.rules.actions import Action, Refusal
from communications.services.actions import judged, put_back
from core.choices import Channel

BATCH: Final = 100
ACTION_OF: Final = {Status.FAILED: Action.RETRY, Status.IN_DOUBT: Action.RESEND}
"""The statuses that can be put back, and as what: the same rules hold as for one at a time."""


@dataclass(frozen=True)
class RequeueFilters:
    """None leaves a filter out. `since` counts and `until` does not: when it failed, or its newest call began. `code`
    is how the provider's code begins."""

    status: Status
    channel: Channel | None = None
    message_type: MessageType | None = None
    plan_reference: str | None = None
    client_reference: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    code: str | None = None


@dataclass
class Requeued:
    """`put_back`: their ids. `left`: why others were not, as (code, sentence), with their number."""

    put_back: list[UUID] = field(default_factory=list)
    left: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def seen(self) -> int:
        return len(self.put_back) + self.left.total()


def requeue(
    *, filters: RequeueFilters, limit: int | None, actor: str, now: datetime, dry_run: bool = False
) -> Iterator[Requeued]:
    """Put back what matches, the oldest first, `limit` at most, in transactions of some hundred; what each did.

    It may be interrupted and run again at any time: what was put back matches no more. What would not be sent stays.
    """
    after: tuple[datetime, UUID] | None = None
    remaining = limit
    while remaining is None or remaining > 0:
        batch = _next_batch(filters, after)
        if not batch:
            return
        after = batch[-1]
        done = _put_back([key for _, key in batch], filters.status, actor, now, remaining, dry_run=dry_run)
        if remaining is not None:
            remaining -= len(done.put_back)
        yield done


def _next_batch(filters: RequeueFilters, after: tuple[datetime, UUID] | None) -> list[tuple[datetime, UUID]]:
    found = _matching(filters)
    if after is not None:
        created_at, key = after
        found = found.filter(Q(created_at__gt=created_at) | Q(created_at=created_at, id__gt=key))
    return list(found.order_by("created_at", "id").values_list("created_at", "id")[:BATCH])


def _matching(filters: RequeueFilters) -> QuerySet[Communication]:
    newest = DeliveryAttempt.objects.filter(communication=OuterRef("pk")).order_by("-number")
    wanted = {
        "status": filters.status,
        "channel": filters.channel,
        "message_type": filters.message_type,
        "plan__reference": filters.plan_reference,
        "client__reference": filters.client_reference,
        "happened_at__gte": filters.since,
        "happened_at__lt": filters.until,
        "outcome_code__startswith": filters.code,
    }
    return Communication.objects.annotate(
        happened_at=Coalesce("failed_at", Subquery(newest.values("started_at")[:1]), "created_at")
    ).filter(**{name: value for name, value in wanted.items() if value is not None})


def _put_back(
    ids: Collection[UUID], status: Status, actor: str, now: datetime, limit: int | None, *, dry_run: bool
) -> Requeued:
    done, action = Requeued(), ACTION_OF[status]
    with transaction.atomic():
        going: list[Communication] = []
        for row, way in judged(ids=ids, action=action, now=now):
            if row.status != status:
                continue  # somebody was faster
            if isinstance(way, Refusal):
                done.left[way.code, way.sentence] += 1
            elif limit is None or len(going) < limit:
                going.append(row)
        if going and not dry_run:
            put_back(rows=going, action=action, actor=actor, now=now)
        done.put_back += [row.id for row in going]
    return done
