"""Taking back what has not been sent yet because the plan went on without it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from communications.choices import Cause, MessageType, Status
from communications.models import Communication
from communications.services import lifecycle
from communications.services.lifecycle import Transition

_UNSENT = (Status.SCHEDULED, Status.HELD, Status.MERGED, Status.SENDING)


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing unsent of this type goes out for this plan."""

    plan_id: UUID
    message_type: MessageType
    cause: Cause


def stop_unsent(stops: Sequence[Stop], *, actor: str, now: datetime) -> None:
    """Cancel what waits. What is being sent at this moment is asked to stop at the fence, or when it comes back.

    Call it with the clients' rows locked and before the rows that are to go out are there.
    """
    if not stops:
        return
    causes = {(stop.plan_id, stop.message_type): stop.cause for stop in stops}
    rows = Communication.objects.filter(
        plan_id__in={stop.plan_id for stop in stops},
        message_type__in={stop.message_type for stop in stops},
        status__in=_UNSENT,
    ).values_list("id", "plan_id", "message_type")
    wished = [
        Transition(row, Status.CANCELLED, causes[plan, MessageType(name)], actor, now)
        for row, plan, name in rows
        if (plan, name) in causes
    ]
    applied = lifecycle.apply(wished, now=now)
    busy = [transition.communication_id for transition in applied.unchanged]
    if busy:
        # A wish, not a status: the worker that holds the row grants it, if it is not too late.
        Communication.objects.filter(id__in=busy, status=Status.SENDING).update(cancel_requested=True)
