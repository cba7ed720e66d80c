"""Clients for tests, made the way requests make them."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from clients.models import Client, Plan
from clients.services.register import ContactDetails, PlanDetails, Registered, Registration, look_up, store
from core import audit


def registered(
    reference: str,
    contact: ContactDetails,
    *,
    now: datetime,
    plan_reference: str = "",
    plan: PlanDetails = PlanDetails(event_type="wedding"),  # noqa: B008 - frozen
    actor: str = "service:test",
) -> Registered:
    """What a request of this client stored; raises what it is refused with."""
    said = Registration(reference, plan_reference or f"plan-of-{reference}", contact, plan)
    with transaction.atomic():
        (found,), _ = look_up([said], now=now)
        if not isinstance(found, Registered):
            raise found
        audit.record_many(store([found], now=now), actor=actor, now=now)
    return found


def a_client(reference: str, contact: ContactDetails, *, now: datetime, plans: Sequence[str] = ()) -> Client:
    """A client with these plans and no others."""
    for plan in plans or ("",):
        client = registered(reference, contact, now=now, plan_reference=plan).client
    if not plans:
        Plan.objects.filter(client=client).delete()
    return Client.objects.get(id=client.id)
