"""A message whose channel may not be used any more when its time has come goes on to one that is left for it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.db.models.fields.json import KeyTransform

from communications.choices import Cause, Status
from communications.models import Communication
from communications.services import fallbacks, lifecycle
from communications.services.lifecycle import Transition
from communications.services.queue import DISPATCH_TASK
from core.wake import ring


def go_on(refusals: Sequence[Transition], *, now: datetime) -> list[Transition]:
    """Put back those for which another channel is open, due at once on it; returns the others, which are refused.

    No query for none. The requests are locked, so that two siblings never choose the same channel.
    """
    if not refusals:
        return []
    wished = {refusal.communication_id: refusal for refusal in refusals}
    related = {"communication_id": F("id"), "fallbacks": KeyTransform("fallbacks", "request__strategy")}
    rows = Communication.objects.filter(id__in=wished).values(
        "id", "client_id", "request_id", "urgency", **related
    )
    with transaction.atomic():
        chosen = fallbacks.choose({row["id"]: row for row in rows})
        moves = [
            replace(
                wished[row],
                to=Status.SCHEDULED,
                cause=Cause.NEXT_CHANNEL,
                changes={"channel": channel.value, "due_at": now, "retry_count": 0, "put_back_count": 0},
            )
            for row, channel in chosen.items()
        ]
        lifecycle.apply(moves, now=now)
    if moves:
        ring(DISPATCH_TASK)
    return [refusal for row, refusal in wished.items() if row not in chosen]
