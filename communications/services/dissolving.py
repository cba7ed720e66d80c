"""Taking digests apart: their members are held again, and go out in a new digest or by themselves."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef

from communications.choices import Cause, MessageType, Status
from communications.models import Communication
from communications.services import lifecycle
from communications.services.lifecycle import Transition
from core.wake import ring

ACTOR: Final = "system:digests"
RELEASE_TASK: Final = "communications.release_digests"
_AT_ONCE: Final = 200


def dissolve(*, cancellations: Sequence[Transition], now: datetime) -> frozenset[UUID]:
    """Cancel digests and give back their members, or neither: a digest that its worker has lost stays whole.

    Returns the digests cancelled. Digests and members are locked together, in the order of their ids.
    """
    if not cancellations:
        return frozenset()
    digest_ids = [wish.communication_id for wish in cancellations]
    with transaction.atomic():
        _lock(digest_ids)
        cancelled = frozenset(lifecycle.apply(cancellations, now=now).changed)
        _give_back(cancelled, now)
        if cancelled:
            ring(RELEASE_TASK)
    return cancelled


def free_members(*, now: datetime) -> int:
    """Give back the members of digests that were cancelled in any other way; returns how many digests that were."""
    members = Communication.objects.filter(digest_id=OuterRef("pk"), status=Status.MERGED)
    left = Communication.objects.filter(
        Exists(members), message_type=MessageType.DIGEST, status=Status.CANCELLED
    )
    digest_ids = list(left.values_list("id", flat=True)[:_AT_ONCE])
    if digest_ids:
        with transaction.atomic():
            _lock(digest_ids)
            _give_back(digest_ids, now)
    return len(digest_ids)


def _lock(digest_ids: Collection[UUID]) -> None:
    members = Communication.objects.filter(digest_id__in=digest_ids).values_list("id", flat=True)
    ids = {*digest_ids, *members}
    rows = Communication.objects.filter(id__in=ids).order_by("id")
    list(rows.select_for_update(no_key=True).values_list("id"))


def _give_back(digest_ids: Collection[UUID], now: datetime) -> None:
    """Held, and due at once; those that somebody does not want to go are cancelled."""
    members = Communication.objects.filter(digest_id__in=digest_ids, status=Status.MERGED)
    lifecycle.apply(
        (
            _taken_out(member, now) if stopped else _held_again(member, now)
            for member, stopped in members.values_list("id", "cancel_requested")
        ),
        now=now,
    )


def _held_again(member: UUID, now: datetime) -> Transition:
    changes = {"digest_id": None, "due_at": now}
    return Transition(member, Status.HELD, Cause.DIGEST_DISSOLVED, ACTOR, now, changes=changes)


def _taken_out(member: UUID, now: datetime) -> Transition:
    return Transition(member, Status.CANCELLED, Cause.CALLER_CANCELLED, ACTOR, now)
