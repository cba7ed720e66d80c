"""Which requests are the same one said twice (engine.md §Idempotency)."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from communications.choices import Cause, MessageType, Status
from communications.models import Communication, CommunicationRequest, DeliveryEvent
from communications.rules import blueprint
from communications.rules.business_key import business_key_material
from communications.rules.context import Context
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.stages import SELECTION_STAGE
from communications.services.commands import SubmitCommand
from core.crypto import keyed_hash

_REPEAT_WITHIN: Final = timedelta(hours=24)
_ERROR_WITHIN: Final = timedelta(hours=1)


def make(*, command: SubmitCommand, context: Context) -> str:
    """The keyed hash over what makes a request itself: references, type and `dedup_key` or what the message is about.

    Who it is for and the facts of the event are not part of it: a corrected name, date or budget is no reason to say
    the same thing again. Neither is anything else that a planner's state carries along. Files count by their content,
    whatever their names, and one that was fetched in place of its address, which may differ each time.
    """
    names = MESSAGE_TYPES[command.message_type].content_names
    fetched = command.files and not command.attachments
    return keyed_hash(
        business_key_material(
            client_ref=command.client_reference,
            plan_ref=command.plan_reference,
            message_type=command.message_type,
            dedup_key=command.dedup_key,
            variables={
                name: value
                for name, value in context.variables.items()
                if (names is None or name in names) and not (fetched and name == blueprint.URL)
            },
            files=[each.digest for each in command.files],
        ),
        purpose="business_key",
    )


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier request. `alive`: something of it was sent or will be. `gave_way`: it was stopped because the plan
    went on, or something newer took its place."""

    id: UUID
    business_key: str
    holds_key: bool
    created_at: datetime
    alive: bool
    gave_way: bool


@dataclass(frozen=True)
class History:
    """What a plan has had of one message type, the newest first."""

    message_type: MessageType
    earlier: Sequence[Earlier] = ()

    @property
    def had(self) -> bool:
        """Whether the client has been told, or would have been if nothing newer had come: a request that failed or
        was cancelled by somebody told nothing."""
        return any(each.alive or each.gave_way for each in self.earlier)

    def holder(self, key: str, now: datetime) -> UUID | None:
        """The request that one with this key repeats, or None: the key is free for a new one."""
        holders = [each for each in self.earlier if each.holds_key and each.alive]
        if MESSAGE_TYPES[self.message_type].staged:
            return next((each.id for each in holders if each.business_key == key), None)
        # Only the latest of its kind is compared with.
        latest = holders[0] if holders else None
        if latest is None or not self._repeats(latest, key, now - latest.created_at):
            return None
        return latest.id

    def _repeats(self, latest: Earlier, key: str, age: timedelta) -> bool:
        if self.message_type is MessageType.ERROR_NOTIFICATION:
            # Whatever went wrong again within the hour, the client has been told once.
            return age < _ERROR_WITHIN
        return latest.business_key == key and age < _REPEAT_WITHIN

    def let_go(self, key: str) -> list[UUID]:
        """The requests that lose their keys to a new one with this key: those of which nothing was sent, and those
        of types that may come again, of which only the latest counts."""
        staged = MESSAGE_TYPES[self.message_type].staged
        return [
            each.id for each in self.earlier if each.holds_key and (not staged or each.business_key == key)
        ]


def find_histories(wanted: Collection[tuple[UUID, MessageType]]) -> dict[tuple[UUID, MessageType], History]:
    """The history of each plan and type, by one query. Call it with the clients' rows locked."""
    if not wanted:
        return {}
    types = {message_type for _, message_type in wanted}
    # Types that may come again: what holds no key any more is of no interest, and may be much.
    matters = Q(holds_key=True) | Q(message_type__in=[name for name in types if MESSAGE_TYPES[name].staged])
    rows = (
        CommunicationRequest.objects.filter(matters, plan_id__in={plan for plan, _ in wanted})
        .filter(message_type__in=types)
        .order_by("-created_at")
        .values_list("plan_id", "message_type", "id", "business_key", "holds_key", "created_at")
        .annotate(alive=_is_alive(), gave_way=_gave_way())
    )
    found: dict[tuple[UUID, MessageType], list[Earlier]] = defaultdict(list)
    for plan_id, message_type, *rest in rows:
        found[plan_id, MessageType(message_type)].append(Earlier(*rest))
    return {(plan, name): History(name, found.get((plan, name), ())) for plan, name in wanted}


def release(*, request_ids: Collection[UUID]) -> None:
    if request_ids:
        CommunicationRequest.objects.filter(id__in=request_ids).update(holds_key=False)


def hold_again(*, request_ids: Collection[UUID]) -> None:
    """Requests of which something is to be sent after all hold their keys, unless another one does by now.

    Call it with the clients' rows locked.
    """
    rivals = CommunicationRequest.objects.filter(business_key=OuterRef("business_key"), holds_key=True)
    let_go = CommunicationRequest.objects.filter(id__in=request_ids, holds_key=False)
    let_go.exclude(Exists(rivals)).update(holds_key=True)


def pass_on(*, request: CommunicationRequest) -> bool:
    """Whether a new request with the key of `request` is to hold it: only if nothing of the old one was or will be
    sent, which then lets go of it. Call it with the client's row locked."""
    same = CommunicationRequest.objects.filter(business_key=request.business_key, holds_key=True)
    same.filter(~_is_alive(), id=request.id).update(holds_key=False)
    return not same.exists()


def newer_than(request: str) -> Exists:
    """For rows whose `request` is there by this name: whether a later request of the plan says the same."""
    return Exists(_later(request).filter(business_key=OuterRef(f"{request}__business_key")))


def replaced_since(request: str) -> Exists:
    """As `newer_than`: whether a later request of the plan took its place in its stage, whatever that one says."""
    staged = [rule.name for rule in MESSAGE_TYPES.values() if rule.staged]
    return Exists(_later(request).filter(_is_alive(), message_type__in=staged))


def passed_since(request: str) -> Exists:
    """As `newer_than`: whether a later request of the plan was of a later stage, which closes earlier questions."""
    later = CommunicationRequest.objects.filter(
        plan_id=OuterRef(f"{request}__plan_id"), created_at__gt=OuterRef(f"{request}__created_at")
    )
    stages = {rule.stage: rule.name.value for rule in MESSAGE_TYPES.values() if rule.stage is not None}
    beyond = [name for stage, name in stages.items() if stage >= SELECTION_STAGE]
    return Exists(later.filter(message_type__in=beyond))


def _later(request: str) -> QuerySet[CommunicationRequest]:
    return CommunicationRequest.objects.filter(
        plan_id=OuterRef(f"{request}__plan_id"),
        message_type=OuterRef(f"{request}__message_type"),
        created_at__gt=OuterRef(f"{request}__created_at"),
    )


def _is_alive() -> Exists:
    """Whether something of a request was sent or will be."""
    return Exists(
        Communication.objects.filter(request=OuterRef("pk")).filter(
            ~Q(status__in=[Status.CANCELLED, Status.FAILED]) | Q(sent_at__isnull=False)
        )
    )


def _gave_way() -> Exists:
    return Exists(
        DeliveryEvent.objects.filter(
            communication__request=OuterRef("pk"), cause__in=[Cause.REPLACED, Cause.QUESTION_CLOSED]
        )
    )
