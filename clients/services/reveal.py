"""The one door through which an address is shown in clear to a person."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from clients.choices import ContactKind, RevealReason
from clients.models import ContactPoint
from core import audit
from core.errors import FieldProblem, Invalid, NotFound


def reveal_contact(
    *,
    client_id: UUID,
    kind: ContactKind,
    reason: RevealReason | None,
    reason_required: bool,
    actor: str,
    now: datetime,
) -> str:
    """The client's current address of this kind, with an audit entry that commits before anybody sees it.

    Raises Invalid when a reason is required and none is given, NotFound when there is no such address.
    """
    if reason_required and reason is None:
        raise Invalid([FieldProblem("reason", "required", "Say why you need to see it.")])
    with transaction.atomic():
        point = ContactPoint.objects.filter(client=client_id, kind=kind, replaced_at__isnull=True).first()
        if point is None:
            raise NotFound("There is no such address for this client.", code="contact_point_not_found")
        audit.record(
            actor=actor,
            action="contact_point.revealed",
            target=f"client:{client_id}",
            details={"kind": kind.value, **({"reason": reason.value} if reason else {})},
            now=now,
        )
    address: str = point.address
    return address
