"""The history of communications: by pages, in a fixed number of queries whatever their size."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core import signing
from django.db.models import OuterRef, Q, QuerySet, Subquery

from clients.addresses import address_index, normalise_email, normalise_phone
from clients.choices import ContactKind
from clients.models import Client, ContactPoint, Plan
from communications.choices import MessageType, Status
from communications.models import Communication, DeliveryAttempt
from communications.selectors.digests import DigestState, digest_states
from communications.selectors.waiting import waiting
from core.choices import Channel
from core.errors import FieldProblem, Invalid
from core.sealing import SecretKey, load_keys, unseal
from preferences.selectors.effective import effective_preferences

TOTAL_CAP = 10_000
MAX_LIMIT = 200
MAX_OFFSET = 10_000

_CURSOR_SALT = "communications.history"


class HistoryOrder(StrEnum):
    """By the time at which a communication was asked for."""

    NEWEST = "newest"
    OLDEST = "oldest"


@dataclass(frozen=True)
class HistoryFilters:
    """None, and an empty collection, leave a filter out. `…_from` counts, `…_before` does not. `due_…` leave what
    waits for its time, and nothing else. `zone` is that of the clients; who has none counts as being in the
    installation's. `search` is a reference, an address written out, or part of a client's name."""

    plan_reference: str | None = None
    client_reference: str | None = None
    channels: Collection[Channel] = ()
    message_types: Collection[MessageType] = ()
    statuses: Collection[Status] = ()
    created_from: datetime | None = None
    created_before: datetime | None = None
    due_from: datetime | None = None
    due_before: datetime | None = None
    zone: ZoneInfo | None = None
    search: str | None = None


@dataclass(frozen=True)
class CommunicationEntry:
    """One line of the history. Texts are None while nothing is composed, and once the client was erased. `digest`: how
    the digest stands that it was merged into."""

    row: Communication
    subject: str | None
    preview: str | None
    error_message: str | None
    digest: DigestState | None = None


@dataclass(frozen=True)
class HistoryPage:
    """`total` is exact up to TOTAL_CAP. `next_cursor` is None on the last page."""

    entries: Sequence[CommunicationEntry]
    total: int
    total_is_capped: bool
    next_cursor: str | None


def list_communications(
    filters: HistoryFilters,
    *,
    limit: int,
    offset: int = 0,
    cursor: str | None = None,
    order: HistoryOrder = HistoryOrder.NEWEST,
    contents: bool = True,
) -> HistoryPage:
    """A page of at most `limit`, after `cursor` or after `offset` rows; without `contents` sealed texts stay sealed.
    Raises Invalid for a foreign cursor."""
    matching = _matching(filters)
    total = matching.order_by()[: TOTAL_CAP + 1].count()
    fields = ("-created_at", "-id") if order is HistoryOrder.NEWEST else ("created_at", "id")
    ordered = with_last_error(matching).order_by(*fields)
    if cursor is not None:
        ordered = ordered.filter(_beyond(cursor, order))
        offset = 0
    rows = list(ordered.select_related("client", "plan")[offset : offset + limit + 1])
    page = rows[:limit]
    return HistoryPage(
        entries=open_entries(page) if contents else sealed_entries(page),
        total=min(total, TOTAL_CAP),
        total_is_capped=total > TOTAL_CAP,
        next_cursor=_cursor_after(page[-1]) if len(rows) > limit else None,
    )


def open_entries(rows: Sequence[Communication]) -> list[CommunicationEntry]:
    """The rows with their sealed texts opened; the keys come in one query. Rows come from `with_last_error`."""
    keys = load_keys({row.client.data_key_id for row in rows}) if rows else {}
    digests = digest_states(rows)
    return [_opened(row, keys.get(row.client.data_key_id), _of(row, digests)) for row in rows]


def sealed_entries(rows: Sequence[Communication]) -> list[CommunicationEntry]:
    """The rows without what they say."""
    digests = digest_states(rows)
    return [CommunicationEntry(row, None, None, None, _of(row, digests)) for row in rows]


def client_zones(entries: Sequence[CommunicationEntry]) -> dict[UUID, ZoneInfo]:
    """The zone of every client that the entries are about, by the client's id. One query."""
    preferences = effective_preferences(
        {entry.row.client_id for entry in entries}, default_timezone=settings.CRM_DEFAULT_TIMEZONE
    )
    return {client_id: held.zone for client_id, held in preferences.items()}


def with_last_error(communications: QuerySet[Communication]) -> QuerySet[Communication]:
    """Each row with `last_error`: the sealed words of the provider at its newest attempt."""
    attempts = DeliveryAttempt.objects.filter(communication=OuterRef("pk")).order_by("-number")
    return communications.annotate(last_error=Subquery(attempts.values("error_message")[:1]))


def _of(row: Communication, digests: Mapping[UUID, DigestState]) -> DigestState | None:
    return digests.get(row.digest_id) if row.digest_id is not None else None


def _opened(row: Communication, key: SecretKey | None, digest: DigestState | None) -> CommunicationEntry:
    if key is None:
        return CommunicationEntry(row, None, None, None, digest)
    content: dict[str, Any] = unseal(Communication, "content", row.content, key) or {}
    error = unseal(DeliveryAttempt, "error_message", getattr(row, "last_error", None), key)
    return CommunicationEntry(row, content.get("subject"), content.get("preview"), error, digest)


def _beyond(cursor: str, order: HistoryOrder) -> Q:
    created_at, last_id = _read_cursor(cursor)
    if order is HistoryOrder.OLDEST:
        later = Q(created_at__gt=created_at) | Q(created_at=created_at, id__gt=last_id)
        return later & Q(created_at__gte=created_at)
    earlier = Q(created_at__lt=created_at) | Q(created_at=created_at, id__lt=last_id)
    return earlier & Q(created_at__lte=created_at)


def _matching(filters: HistoryFilters) -> QuerySet[Communication]:
    exact = {
        "plan__reference": filters.plan_reference,
        "client__reference": filters.client_reference,
        "channel__in": filters.channels or None,
        "message_type__in": filters.message_types or None,
        "status__in": filters.statuses or None,
        "created_at__gte": filters.created_from,
        "created_at__lt": filters.created_before,
    }
    found = Communication.objects.filter(
        _due(filters),
        _in_zone(filters.zone),
        **{name: value for name, value in exact.items() if value is not None},
    )
    return found if filters.search is None else found.filter(id__in=_search(filters.search.strip()))


def _due(filters: HistoryFilters) -> Q:
    """Answered by the queue, which holds what waits and nothing else."""
    if filters.due_from is None and filters.due_before is None:
        return Q()
    found = waiting()
    if filters.due_from is not None:
        found = found.filter(due_at__gte=filters.due_from)
    if filters.due_before is not None:
        found = found.filter(due_at__lt=filters.due_before)
    return Q(id__in=found.values("communication_id"))


def _in_zone(zone: ZoneInfo | None) -> Q:
    if zone is None:
        return Q()
    in_it = Q(client__preferences__timezone=zone.key)
    if zone.key == settings.CRM_DEFAULT_TIMEZONE:
        return in_it | Q(client__preferences__timezone__isnull=True) | Q(client__preferences__timezone="")
    return in_it


def _search(text: str) -> QuerySet[Communication, Any]:
    """The ids of what `text` may mean. A union: each part is answered by its own index, while one condition with OR
    between subqueries reads the whole history."""
    clients = Client.objects.filter(Q(reference=text) | Q(name__icontains=text))
    parts = [Q(client__in=clients), Q(plan__in=Plan.objects.filter(reference=text))]
    for kind, index in _address_indexes(text):
        owners = ContactPoint.objects.filter(kind=kind, address_index=index)
        parts.append(Q(client__in=owners.values("client_id")))
    if reference := _as_uuid(text):
        parts += [Q(id=reference), Q(request_id=reference)]
    first, *others = (Communication.objects.filter(part).order_by().values("id") for part in parts)
    return first.union(*others, all=True)


def _address_indexes(text: str) -> Iterable[tuple[ContactKind, str]]:
    """The blind indexes of `text` for every kind of address that it can be."""
    with suppress(Invalid):
        yield ContactKind.EMAIL, address_index(normalise_email(text, field="q"), kind=ContactKind.EMAIL)
    with suppress(Invalid):
        phone = normalise_phone(text, region=settings.CRM_DEFAULT_REGION, field="q")
        yield ContactKind.PHONE, address_index(phone, kind=ContactKind.PHONE)


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _cursor_after(row: Communication) -> str:
    return signing.dumps([row.created_at.isoformat(), str(row.id)], salt=_CURSOR_SALT)


def _read_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        created_at, last_id = signing.loads(cursor, salt=_CURSOR_SALT)
    except signing.BadSignature as error:
        problem = FieldProblem("cursor", "invalid_cursor", "Take the cursor from `next` of the page before.")
        raise Invalid([problem]) from error
    return datetime.fromisoformat(created_at), UUID(last_id)
