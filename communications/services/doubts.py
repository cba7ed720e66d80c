"""What becomes of communications in doubt of which nothing more was heard (engine.md §Delivery, In doubt)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.fields.json import KeyTransform

from communications.choices import Cause, Status, Urgency
from communications.models import DeliveryAttempt
from communications.rules.in_doubt import HOLD, DoubtFacts, DoubtStep, doubt_step
from communications.rules.reasons import OUTCOME_UNKNOWN
from communications.services import fallbacks, lifecycle
from communications.services.lifecycle import Transition
from communications.services.queue import DISPATCH_TASK
from core.choices import Channel
from core.wake import ring

_BATCH: Final = 200

Rows = Mapping[UUID, Mapping[str, Any]]


def settle_doubts(*, actor: str, now: datetime) -> int:
    """Critical ones that nobody could tell of go to a channel that is left; the others stay, for people to decide.

    Returns how many went on. Any worker may run it at any time. One query while there is nothing to look at.
    """
    return sum(_settle(rows, actor, now) for rows in _batches(now))


def _batches(now: datetime) -> Iterator[Rows]:
    """The newest attempts of critical communications in doubt, by id, so that those that stay hold up nobody."""
    related = {
        "client_id": F("communication__client_id"),
        "request_id": F("communication__request_id"),
        "urgency": F("communication__urgency"),
        "expires_at": F("communication__expires_at"),
        "deliver_by": F("communication__request__deliver_by"),
        "fallbacks": KeyTransform("fallbacks", "communication__request__strategy"),
    }
    doubtful = DeliveryAttempt.objects.filter(
        communication__status=Status.IN_DOUBT,
        communication__urgency=Urgency.CRITICAL,
        communication__expires_at__gt=now,
        number=F("communication__attempt_count"),
        started_at__lte=now - HOLD,
    ).order_by("communication_id")
    seen: dict[str, UUID] = {}
    while True:
        found = doubtful.filter(**seen).values("id", "communication_id", "number", "started_at", **related)
        rows = list(found[:_BATCH])
        if rows:
            yield {row["id"]: row for row in rows}
        if len(rows) < _BATCH:
            return
        seen = {"communication_id__gt": rows[-1]["communication_id"]}


def _settle(rows: Rows, actor: str, now: datetime) -> int:
    with transaction.atomic():
        left = fallbacks.choose(rows)
        moved = [
            _to_channel(row, left[attempt_id], actor, now)
            for attempt_id, row in rows.items()
            if _step(row, attempt_id in left, now) is DoubtStep.NEXT_CHANNEL
        ]
        applied = lifecycle.apply(moved, now=now)
        if applied.changed:
            ring(DISPATCH_TASK)
    return len(applied.changed)


def _step(row: Mapping[str, Any], has_fallback: bool, now: datetime) -> DoubtStep:
    deadlines = [moment for moment in (row["expires_at"], row["deliver_by"]) if moment is not None]
    return doubt_step(
        DoubtFacts(
            fenced_at=row["started_at"],
            now=now,
            deadline=min(deadlines),
            urgency=Urgency(row["urgency"]),
            has_fallback=has_fallback,
        )
    )


def _to_channel(row: Mapping[str, Any], channel: Channel, actor: str, now: datetime) -> Transition:
    return Transition(
        row["communication_id"],
        Status.SCHEDULED,
        Cause.NEXT_CHANNEL,
        actor,
        now,
        attempt_id=row["id"],
        attempt_number=row["number"],
        reason=OUTCOME_UNKNOWN.code,
        changes={"channel": channel.value, "due_at": now, "retry_count": 0, "put_back_count": 0},
    )
