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
from core.sealing import SecretKey, issue_key, seal, unseal


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
    known = client is not None
    if client is None:
        if not (details.email or details.phone):
            raise Invalid([_unknown_client()])
        client = _create(reference, details, actor, now)
    _store_name(client, details.name, now)
    if _store_addresses(client, details, actor, now) and known:
        bump_gate(client_ids=[client.id])
    return client


def _unknown_client() -> FieldProblem:
    return FieldProblem(
        field="client",
        code="unknown_client",
        message="This client is not known yet: give an e-mail address or a phone number.",
    )


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


def _store_name(client: Client, name: str | None, now: datetime) -> None:
    if not name or name == client.name:
        return
    client.name = name
    client.updated_at = now
    client.save(update_fields=["name", "updated_at"])


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


@dataclass(frozen=True)
class PlanDetails:
    """None leaves what is known as it is."""

    event_type: str | None = None
    event_date: date | None = None


def register_plan(
    *, reference: str, client: Client, key: SecretKey, details: PlanDetails, now: datetime
) -> Plan:
    """The plan of this reference, made if new; event type and date follow what the caller says.

    Call it with the client's row locked and its key. Raises Conflict when the plan belongs to another client.
    """
    plan, created = Plan.objects.get_or_create(
        reference=reference,
        defaults={
            "client": client,
            "event_type": seal(Plan, "event_type", details.event_type, key),
            "event_date": details.event_date,
            "created_at": now,
            "updated_at": now,
        },
    )
    if plan.client_id != client.id:
        raise Conflict(
            code="plan_of_another_client",
            detail="This plan belongs to another client. Check plan_id, or ask staff to reassign the plan.",
        )
    if not created:
        _update_plan(plan, key, details, now)
    return plan


def _update_plan(plan: Plan, key: SecretKey, details: PlanDetails, now: datetime) -> None:
    changed = []
    if details.event_type not in {None, unseal(Plan, "event_type", plan.event_type, key)}:
        plan.event_type = seal(Plan, "event_type", details.event_type, key)
        changed.append("event_type")
    if details.event_date not in {None, plan.event_date}:
        plan.event_date = details.event_date
        changed.append("event_date")
        bump_gate(client_ids=[plan.client_id])
    if changed:
        plan.updated_at = now
        plan.save(update_fields=[*changed, "updated_at"])
