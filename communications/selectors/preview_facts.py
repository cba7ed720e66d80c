"""What is known of whom a request would be for. Nothing is made and nothing is locked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid4

from clients.choices import ContactKind
from clients.models import Client, ContactPoint, Plan
from communications.selectors.activity import NO_ACTIVITY, Activity, activity_of
from communications.selectors.sending import current_contact_points
from core.errors import Conflict
from core.sealing import load_keys
from preferences.models import ClientPreferences


@dataclass(frozen=True)
class KnownRecipient:
    """Of a client who is not known yet: no contact points, no settings, and an id of nobody."""

    contact_points: Mapping[ContactKind, ContactPoint]
    client_id: UUID
    preferences: ClientPreferences | None = None
    event_date: date | None = None
    is_erased: bool = False
    activity: Activity = NO_ACTIVITY


def known_recipient(*, client_reference: str, plan_reference: str, now: datetime) -> KnownRecipient:
    """Seven queries at most. Raises Conflict when the plan belongs to another client."""
    client = Client.objects.filter(reference=client_reference).first()
    plan = Plan.objects.filter(reference=plan_reference).only("client_id", "event_date").first()
    if plan is not None and (client is None or plan.client_id != client.id):
        raise Conflict(
            code="plan_of_another_client",
            detail="This plan belongs to another client. Check plan_id, or ask staff to reassign the plan.",
        )
    if client is None:
        return KnownRecipient({}, uuid4())
    points = current_contact_points([client.id])
    return KnownRecipient(
        contact_points={kind: point for (_, kind), point in points.items()},
        client_id=client.id,
        preferences=ClientPreferences.objects.filter(client=client).first(),
        event_date=plan.event_date if plan is not None else None,
        is_erased=client.erased_at is not None or not load_keys([client.data_key_id]),
        activity=activity_of([client.id], now=now).get(client.id, NO_ACTIVITY),
    )
