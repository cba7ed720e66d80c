"""The messages of clients, as the client pages show them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import F, OuterRef, Subquery

from clients.models import Client
from communications.choices import MessageType, Status
from communications.models import Communication
from communications.rules.message_types import MESSAGE_TYPES
from communications.selectors.history import HistoryFilters, list_communications

_PLANNED = (Status.SCHEDULED, Status.HELD)


@dataclass(frozen=True)
class MessageLine:
    """One message; the texts are None where the viewer may not see contents, and once the client was erased."""

    row: Communication
    label: str
    subject: str | None = None
    preview: str | None = None


@dataclass(frozen=True)
class Timeline:
    """`total` is exact up to the history's cap. `next_cursor` is None on the last page."""

    lines: Sequence[MessageLine]
    total: int
    total_is_capped: bool
    next_cursor: str | None


def timeline(client: Client, *, with_contents: bool, cursor: str | None, limit: int) -> Timeline:
    """What was said to the client over all channels, newest first. Raises Invalid for a foreign cursor."""
    page = list_communications(
        HistoryFilters(client_reference=client.reference), limit=limit, cursor=cursor, contents=with_contents
    )
    return Timeline(
        lines=[_line(entry.row, entry.subject, entry.preview) for entry in page.entries],
        total=page.total,
        total_is_capped=page.total_is_capped,
        next_cursor=page.next_cursor,
    )


def planned(client: Client, *, limit: int) -> list[MessageLine]:
    """What is to go out to the client, the next first; what has no time yet comes last."""
    rows = client.communications.filter(status__in=_PLANNED).defer("content")
    return [_line(row) for row in rows.order_by(F("due_at").asc(nulls_last=True), "id")[:limit]]


def last_messages(client_ids: Collection[UUID]) -> dict[UUID, MessageLine]:
    """The newest message of each client, in two queries."""
    newest = Communication.objects.filter(client=OuterRef("pk")).order_by("-created_at").values("id")[:1]
    ids = Client.objects.filter(id__in=client_ids).values_list(Subquery(newest), flat=True)
    rows = Communication.objects.filter(id__in=[each for each in ids if each]).defer("content")
    return {row.client_id: _line(row) for row in rows}


def _line(row: Communication, subject: str | None = None, preview: str | None = None) -> MessageLine:
    return MessageLine(row, MESSAGE_TYPES[MessageType(row.message_type)].label, subject, preview)
