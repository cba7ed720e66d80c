"""Clients, their contact points and plans as callers' requests bring them: first looked up, then stored.

Between the two nothing is written, so a request that is refused after all leaves no trace.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from django.db import connection

from clients.addresses import address_index
from clients.choices import ContactKind
from clients.models import Client, ContactPoint, Plan
from clients.services.gate import bump_gate
from core import audit
from core.copying import copy_in, new_row
from core.errors import Conflict, FieldProblem, Invalid
from core.pipelines import Query, Rows, fetch_together
from core.sealing import SecretKey, load_keys, new_key, seal, store_keys, unseal


@dataclass(frozen=True, slots=True)
class ContactDetails:
    """Normalised; None leaves what is known as it is."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class PlanDetails:
    """None leaves what is known as it is."""

    event_type: str | None = None
    event_date: date | None = None


@dataclass(frozen=True, slots=True)
class Registration:
    """What one request says of its client and plan, by the caller's references."""

    client_reference: str
    plan_reference: str
    contact: ContactDetails
    plan: PlanDetails = PlanDetails()


class Overtaken(Exception):
    """Somebody else made the same client at this instant: in a new transaction it is found."""


@dataclass(slots=True)
class Registered:
    """Client and plan as they are once stored. The client's row is locked until the transaction ends.

    `points` are the current ones; `event_type` is open. The rest says what `store` has to write.
    """

    client: Client
    plan: Plan
    key: SecretKey
    event_type: str | None
    points: dict[ContactKind, ContactPoint]
    is_new: bool
    plan_is_new: bool
    added: list[ContactPoint] = field(default_factory=list)
    replaced: list[ContactPoint] = field(default_factory=list)
    name_changed: bool = False
    plan_changed: bool = False
    gate_changed: bool = False


def look_up(
    registrations: Sequence[Registration], *, now: datetime, along: Sequence[Query] = ()
) -> tuple[list[Registered | Invalid | Conflict], list[Rows]]:
    """Each with its client and plan, known or to be made, or why it is refused: an unknown client without any
    address, an erased client, a plan of another client.

    No two registrations may share a client or a plan. Five queries at most, two of new clients; locks known clients in
    id order. `along`: other queries, which travel with the first; their rows are returned too. Raises Overtaken.
    """
    clients, plans, others = _lock_clients(registrations, along)
    keys = load_keys(client.data_key_id for client in clients.values()) if clients else {}
    points = _current_points(clients.values()) if clients else {}
    _require_seen(registrations, clients, plans)
    looked_up: list[Registered | Invalid | Conflict] = []
    for each in registrations:
        client, plan = clients.get(each.client_reference), plans.get(each.plan_reference)
        key = keys.get(client.data_key_id) if client else new_key()
        refusal = _refusal(each, client, key, plan)
        if refusal is not None or key is None:
            looked_up.append(refusal or _erased())
            continue
        known = client or _new_client(each, key, now)
        registered = Registered(
            client=known,
            plan=plan or _new_plan(each, known, now),
            key=key,
            event_type=unseal(Plan, "event_type", plan.event_type, key) if plan else None,
            points=points.get(client.id, {}) if client else {},
            is_new=client is None,
            plan_is_new=plan is None,
        )
        _follow(registered, each, now)
        looked_up.append(registered)
    return looked_up, others


def store(registered: Sequence[Registered], *, now: datetime) -> list[audit.Entry]:
    """Write what is new or different, in the transaction that looked it up. What it gives has to be audited.

    IntegrityError when somebody else made the same client or plan at this instant: look them up again then.
    """
    new = [each for each in registered if each.is_new]
    store_keys(each.key for each in new)
    # In the order of their references: two callers with the same new ones wait for each other, never in a ring.
    copy_in(Client, (vars(each.client) for each in sorted(new, key=lambda each: each.client.reference)))
    by_plan = sorted(registered, key=lambda each: each.plan.reference)
    copy_in(Plan, (vars(each.plan) for each in by_plan if each.plan_is_new))
    _update_names([each.client for each in registered if each.name_changed], now)
    _update_plans([each.plan for each in registered if each.plan_changed and not each.plan_is_new], now)
    replaced = [point.id for each in registered for point in each.replaced]
    if replaced:
        ContactPoint.objects.filter(id__in=replaced).update(replaced_at=now)
    copy_in(ContactPoint, (vars(point) for each in registered for point in each.added))
    changed = [each.client.id for each in registered if each.gate_changed and not each.is_new]
    if changed:
        bump_gate(client_ids=changed)
    return [entry for each in registered for entry in _audit_entries(each)]


_CLIENT_FIELDS = tuple(field.attname for field in Client._meta.concrete_fields)
_PLAN_FIELDS = tuple(field.attname for field in Plan._meta.concrete_fields)
# NO KEY: rows that point at a client can be inserted meanwhile; the fence's FOR SHARE waits.
_LOCK_CLIENTS = (
    f"SELECT {', '.join(_CLIENT_FIELDS)} FROM crm_clients"  # noqa: S608 - names of ours, values bound
    " WHERE reference = ANY(%s) ORDER BY id FOR NO KEY UPDATE"
)
_FIND_PLANS = f"SELECT {', '.join(_PLAN_FIELDS)} FROM crm_plans WHERE reference = ANY(%s)"  # noqa: S608 - as above


def _lock_clients(
    registrations: Sequence[Registration], along: Sequence[Query]
) -> tuple[dict[str, Client], dict[str, Plan], list[Rows]]:
    """The clients that are known, locked, and after them the plans; by reference, in one round trip."""
    clients, plans, *others = fetch_together(
        (_LOCK_CLIENTS, [[each.client_reference for each in registrations]]),
        (_FIND_PLANS, [[each.plan_reference for each in registrations]]),
        *along,
    )
    found_clients = (Client.from_db(None, _CLIENT_FIELDS, row) for row in clients)
    found_plans = (Plan.from_db(None, _PLAN_FIELDS, row) for row in plans)
    by_reference = {row.reference: row for row in found_clients}
    return by_reference, {row.reference: row for row in found_plans}, others


def _current_points(clients: Iterable[Client]) -> dict[UUID, dict[ContactKind, ContactPoint]]:
    found: dict[UUID, dict[ContactKind, ContactPoint]] = {}
    ids = [client.id for client in clients]
    # Addresses are compared by their index: opening them costs more than everything else here.
    for point in ContactPoint.objects.filter(client_id__in=ids, replaced_at__isnull=True).defer("address"):
        found.setdefault(point.client_id, {})[ContactKind(point.kind)] = point
    return found


def _require_seen(
    registrations: Sequence[Registration], clients: Mapping[str, Client], plans: Mapping[str, Plan]
) -> None:
    """A plan whose client was not there a moment ago may be theirs: both were committed between the two looks."""
    missed = [
        each.client_reference
        for each in registrations
        if each.client_reference not in clients and each.plan_reference in plans
    ]
    if missed and Client.objects.filter(reference__in=missed).exists():
        raise Overtaken


def _refusal(
    registration: Registration, client: Client | None, key: SecretKey | None, plan: Plan | None
) -> Invalid | Conflict | None:
    if client is None and not (registration.contact.email or registration.contact.phone):
        return Invalid(
            [
                FieldProblem(
                    field="client",
                    code="unknown_client",
                    message="This client is not known yet: give an e-mail address or a phone number.",
                )
            ]
        )
    if key is None:
        return _erased()
    if plan is not None and (client is None or plan.client_id != client.id):
        return Conflict(
            code="plan_of_another_client",
            detail="This plan belongs to another client. Check plan_id, or ask staff to reassign the plan.",
        )
    return None


def _erased() -> Conflict:
    return Conflict(
        "This client was erased and cannot be written to. A new client needs a reference of their own.",
        code="client_erased",
    )


def _new_client(registration: Registration, key: SecretKey, now: datetime) -> Client:
    return new_row(
        Client,
        reference=registration.client_reference,
        data_key_id=key.data_key_id,
        created_at=now,
        updated_at=now,
    )


def _new_plan(registration: Registration, client: Client, now: datetime) -> Plan:
    return new_row(
        Plan, reference=registration.plan_reference, client_id=client.id, created_at=now, updated_at=now
    )


def _follow(registered: Registered, said: Registration, now: datetime) -> None:
    """Take over what the request says: name, addresses, event type and date."""
    client, plan = registered.client, registered.plan
    if said.contact.name and said.contact.name != client.name:
        client.name = said.contact.name
        registered.name_changed = not registered.is_new
    for kind, address in ((ContactKind.EMAIL, said.contact.email), (ContactKind.PHONE, said.contact.phone)):
        if address:
            _follow_address(registered, kind, address, now)
    if said.plan.event_type not in {None, registered.event_type}:
        registered.event_type = said.plan.event_type
        plan.event_type = seal(Plan, "event_type", said.plan.event_type, registered.key)
        registered.plan_changed = True
    if said.plan.event_date not in {None, plan.event_date}:
        plan.event_date = said.plan.event_date
        registered.plan_changed = True
        registered.gate_changed = registered.gate_changed or not registered.plan_is_new


def _follow_address(registered: Registered, kind: ContactKind, address: str, now: datetime) -> None:
    index = address_index(address, kind=kind)
    old = registered.points.get(kind)
    if old is not None and old.address_index == index:
        old.address = address  # the same, in clear: nobody has to open it
        return
    point = new_row(
        ContactPoint,
        client_id=registered.client.id,
        kind=kind,
        address=address,
        address_index=index,
        created_at=now,
    )
    registered.points[kind] = point
    registered.added.append(point)
    registered.gate_changed = True
    if old is not None:
        registered.replaced.append(old)


def _update_names(clients: Sequence[Client], now: datetime) -> None:
    if not clients:
        return
    sql = """
        UPDATE crm_clients SET name = said.name, updated_at = %s
          FROM unnest(%s::uuid[], %s::text[]) AS said(id, name) WHERE crm_clients.id = said.id
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [now, [client.id for client in clients], [client.name for client in clients]])


def _update_plans(plans: Sequence[Plan], now: datetime) -> None:
    if not plans:
        return
    sql = """
        UPDATE crm_plans SET event_type = said.event_type, event_date = said.event_date, stage = said.stage,
                             updated_at = %s
          FROM unnest(%s::uuid[], %s::bytea[], %s::date[], %s::smallint[]) AS said(id, event_type, event_date, stage)
         WHERE crm_plans.id = said.id
    """
    columns = (
        [getattr(plan, name) for plan in plans] for name in ("id", "event_type", "event_date", "stage")
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [now, *columns])


def _audit_entries(registered: Registered) -> Iterable[audit.Entry]:
    target = f"client:{registered.client.id}"
    if registered.is_new:
        yield audit.Entry("client.created", target)
    replaced = {point.kind for point in registered.replaced}
    for point in registered.added:
        action = "contact_point.replaced" if point.kind in replaced else "contact_point.added"
        yield audit.Entry(action, target, {"kind": ContactKind(point.kind).value})
