"""Clients, their contact points and plans as a caller's request brings them."""

from dataclasses import dataclass
from datetime import date, datetime

from django.db import IntegrityError, transaction

from clients.addresses import address_index
from clients.choices import ContactKind
from clients.models import Client, ContactPoint, Plan
from clients.services.gate import bump_gate
from core import audit
from core.errors import Conflict, FieldProblem, Invalid
from core.sealing import issue_key, load_keys, seal, unseal


@dataclass(frozen=True)
class ContactDetails:
    """Normalised; None leaves what is known as it is."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None


@transaction.atomic
def register_client(*, reference: str, details: ContactDetails, actor: str, now: datetime) -> Client:
    """The client of this reference, made if new, with the given details stored; its row stays locked.

    New contact data replaces the old and is audited. Raises Invalid for an unknown client without any address.
    Idempotent; two first requests at one instant make one client.
    """
    client = _locked(reference)
    if client is None:
        if not (details.email or details.phone):
            raise Invalid(
                problems=[
                    FieldProblem(
                        field="client",
                        code="unknown_client",
                        message="This client is not known yet: give an e-mail address or a phone number.",
                    )
                ]
            )
        client = _create(reference, details, actor, now)
    changed = _store_name(client, details.name, now) | _store_addresses(client, details, actor, now)
    if changed:
        bump_gate(client_ids=[client.id])
    return client


def _locked(reference: str) -> Client | None:
    # NO KEY: rows that point at the client can be inserted meanwhile; the fence's FOR SHARE waits.
    return Client.objects.select_for_update(no_key=True).filter(reference=reference).first()


def _create(reference: str, details: ContactDetails, actor: str, now: datetime) -> Client:
    try:
        with transaction.atomic():
            client = Client.objects.create(
                reference=reference,
                name=details.name or "",
                data_key=issue_key(),
                created_at=now,
                updated_at=now,
            )
    except IntegrityError:
        rival = _locked(reference)
        if rival is None:
            raise
        return rival
    audit.record(actor=actor, action="client.created", target=f"client:{client.id}", now=now)
    return client


def _store_name(client: Client, name: str | None, now: datetime) -> bool:
    if not name or name == client.name:
        return False
    client.name = name
    client.updated_at = now
    client.save(update_fields=["name", "updated_at"])
    return True


def _store_addresses(client: Client, details: ContactDetails, actor: str, now: datetime) -> bool:
    given = {ContactKind.EMAIL: details.email, ContactKind.PHONE: details.phone}
    known = {
        ContactKind(point.kind): point
        for point in ContactPoint.objects.filter(client=client, replaced_at__isnull=True)
    }
    changed = False
    for kind, address in given.items():
        if not address:
            continue
        index = address_index(address, kind=kind)
        old = known.get(kind)
        if old is not None and old.address_index == index:
            continue
        if old is not None:
            ContactPoint.objects.filter(id=old.id).update(replaced_at=now)
        ContactPoint.objects.create(
            client=client, kind=kind, address=address, address_index=index, created_at=now
        )
        audit.record(
            actor=actor,
            action="contact_point.replaced" if old else "contact_point.added",
            target=f"client:{client.id}",
            details={"kind": kind.value},
            now=now,
        )
        changed = True
    return changed


def register_plan(
    *, reference: str, client: Client, event_type: str | None, event_date: date | None, now: datetime
) -> Plan:
    """The plan of this reference, made if new; event type and date follow what the caller says.

    Call it with the client's row locked. Raises Conflict when the plan belongs to another client.
    """
    plan, created = Plan.objects.get_or_create(
        reference=reference,
        defaults={"client": client, "event_date": event_date, "created_at": now, "updated_at": now},
    )
    if plan.client_id != client.id:
        raise Conflict(
            code="plan_of_another_client",
            detail="This plan belongs to another client. Check plan_id, or ask staff to reassign the plan.",
        )
    if event_type is not None:
        _store_event_type(plan, event_type, now)
    if event_date is not None and plan.event_date != event_date:
        Plan.objects.filter(id=plan.id).update(event_date=event_date, updated_at=now)
        plan.event_date = event_date
        if not created:
            bump_gate(client_ids=[client.id])
    return plan


def _store_event_type(plan: Plan, event_type: str, now: datetime) -> None:
    key = load_keys([plan.client.data_key_id]).get(plan.client.data_key_id)
    if key is None or unseal(Plan, "event_type", plan.event_type, key) == event_type:
        return
    plan.event_type = seal(Plan, "event_type", event_type, key)
    Plan.objects.filter(id=plan.id).update(event_type=plan.event_type, updated_at=now)
