"""Which requests are the same one said twice (engine.md §Idempotency)."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from clients.models import Client, Plan
from communications.choices import MessageType, Status
from communications.models import Communication, CommunicationRequest
from communications.rules.business_key import business_key_material
from communications.rules.context import Context
from communications.rules.message_types import MESSAGE_TYPES
from communications.services.commands import SubmitCommand
from core.crypto import keyed_hash

_REPEAT_WITHIN: Final = timedelta(hours=24)
_ERROR_WITHIN: Final = timedelta(hours=1)


def make(*, command: SubmitCommand, context: Context) -> str:
    """The keyed hash over what makes a request itself: references, type and `dedup_key` or what the message is about.

    Who it is for and the facts of the event are not part of it: a corrected name, date or budget is no reason to say
    the same thing again. Neither is anything else that a planner's state carries along.
    """
    names = MESSAGE_TYPES[command.message_type].content_names
    return keyed_hash(
        business_key_material(
            client_ref=command.client_reference,
            plan_ref=command.plan_reference,
            message_type=command.message_type,
            dedup_key=command.dedup_key,
            variables={
                name: value for name, value in context.variables.items() if names is None or name in names
            },
        ),
        purpose="business_key",
    )


def find_holder(
    *, key: str, client: Client, plan: Plan, message_type: MessageType, now: datetime
) -> UUID | None:
    """The earlier request that this one repeats, or None, in which case the key is free for a new one.

    Call it with the client's row locked. A request of which nothing was sent and nothing will be holds no key.
    """
    alive = Communication.objects.filter(request=OuterRef("pk")).filter(
        ~Q(status__in=[Status.CANCELLED, Status.FAILED]) | Q(sent_at__isnull=False)
    )
    same_kind = CommunicationRequest.objects.filter(
        client=client, plan=plan, message_type=message_type, holds_key=True
    )
    holders = same_kind.filter(Exists(alive)).order_by("-created_at")
    if MESSAGE_TYPES[message_type].staged:
        holder = holders.filter(business_key=key).first()
        released = same_kind.filter(business_key=key)
    else:
        holder = _latest_repeat(holders.first(), key, message_type, now)
        # Only the latest of its kind is compared with, so an earlier equal one must not stand in the way.
        released = same_kind
    if holder is not None:
        return holder.id
    released.update(holds_key=False)
    return None


def _latest_repeat(
    latest: CommunicationRequest | None, key: str, message_type: MessageType, now: datetime
) -> CommunicationRequest | None:
    if latest is None:
        return None
    age = now - latest.created_at
    if message_type is MessageType.ERROR_NOTIFICATION:
        # Whatever went wrong again within the hour, the client has been told once.
        return latest if age < _ERROR_WITHIN else None
    return latest if latest.business_key == key and age < _REPEAT_WITHIN else None
