"""The list of clients: found by what staff have at hand, by pages, in a fixed number of queries."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from django.conf import settings
from django.db.models import Prefetch, Q, QuerySet

from clients.addresses import address_index, normalise_email, normalise_phone
from clients.choices import ContactKind
from clients.models import Client, ContactPoint, Plan
from clients.selectors.contacts import MaskedContact, current_contacts, masked
from core.errors import FieldProblem, Invalid

TOTAL_CAP = 10_000


class ClientOrder(StrEnum):
    NEWEST = "newest"
    NAME = "name"


@dataclass(frozen=True)
class ClientEntry:
    """One line of the list; `plans` newest first."""

    row: Client
    plans: Sequence[Plan]
    contacts: Sequence[MaskedContact]


@dataclass(frozen=True)
class ClientPage:
    """`total` is exact up to TOTAL_CAP. `next_cursor` is None on the last page."""

    entries: Sequence[ClientEntry]
    total: int
    total_is_capped: bool
    next_cursor: str | None


def list_clients(
    *, search: str = "", order: ClientOrder = ClientOrder.NEWEST, after: UUID | None = None, limit: int
) -> ClientPage:
    """A page of at most `limit`, after the client `after`. Raises Invalid when there is no such client.

    `search` is a reference of a client or a plan, part of a name, or an address written out. A cursor is the
    last client's id and nothing else: addresses of pages are kept by browsers and must not hold names.
    """
    matching = _matching(search.strip())
    total = matching.order_by()[: TOTAL_CAP + 1].count()
    rows = list(_after(_ordered(matching, order), order, after)[: limit + 1])
    page = rows[:limit]
    return ClientPage(
        entries=[_entry(row) for row in page],
        total=min(total, TOTAL_CAP),
        total_is_capped=total > TOTAL_CAP,
        next_cursor=str(page[-1].id) if len(rows) > limit else None,
    )


def _entry(row: Client) -> ClientEntry:
    return ClientEntry(
        row=row,
        plans=list(row.plans.all()),
        contacts=[masked(point) for point in row.contact_points.all()],
    )


def _ordered(clients: QuerySet[Client], order: ClientOrder) -> QuerySet[Client]:
    fields = ("name", "id") if order is ClientOrder.NAME else ("-created_at", "-id")
    plans = Plan.objects.defer("event_type").order_by("-created_at", "id")
    return clients.order_by(*fields).prefetch_related(
        Prefetch("plans", plans), Prefetch("contact_points", current_contacts())
    )


def _after(clients: QuerySet[Client], order: ClientOrder, after: UUID | None) -> QuerySet[Client]:
    if after is None:
        return clients
    last = Client.objects.filter(id=after).only("name", "created_at").first()
    if last is None:
        problem = FieldProblem("cursor", "invalid_cursor", "This page of the list is not there any more.")
        raise Invalid([problem])
    if order is ClientOrder.NAME:
        return clients.filter(Q(name__gt=last.name) | Q(name=last.name, id__gt=after), name__gte=last.name)
    return clients.filter(
        Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, id__lt=after),
        created_at__lte=last.created_at,
    )


def _matching(text: str) -> QuerySet[Client]:
    """A union of what `text` may mean: each part is answered by its own index."""
    if not text:
        return Client.objects.all()
    parts = [
        Client.objects.filter(reference=text).values("id"),
        Client.objects.filter(name__icontains=text).values("id"),
        Plan.objects.filter(reference=text).values("client_id"),
    ]
    for kind, index in _address_indexes(text):
        parts.append(ContactPoint.objects.filter(kind=kind, address_index=index).values("client_id"))
    first, *others = (part.order_by() for part in parts)
    return Client.objects.filter(id__in=first.union(*others, all=True))


def _address_indexes(text: str) -> Iterable[tuple[ContactKind, str]]:
    """The blind indexes of `text` for every kind of address that it can be."""
    with suppress(Invalid):
        yield ContactKind.EMAIL, address_index(normalise_email(text, field="q"), kind=ContactKind.EMAIL)
    with suppress(Invalid):
        phone = normalise_phone(text, region=settings.CRM_DEFAULT_REGION, field="q")
        yield ContactKind.PHONE, address_index(phone, kind=ContactKind.PHONE)
