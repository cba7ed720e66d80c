"""Everything about one communication or one request, opened for a caller who may read it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Subquery

from clients.addresses import mask
from clients.choices import CONTACT_KIND_OF
from clients.models import ContactPoint
from communications.choices import AttemptStatus, MessageType, Role, Status
from communications.models import Communication, CommunicationRequest, DeliveryAttempt, DeliveryEvent
from communications.selectors.attachments import AttachmentEntry, attachments_of
from communications.selectors.history import CommunicationEntry, open_entries, sealed_entries, with_last_error
from core.choices import Channel
from core.errors import NotFound
from core.sealing import SecretKey, load_keys, unseal
from preferences.selectors.ledger import Basis, basis_of


def existing_requests(request_ids: Collection[UUID]) -> set[UUID]:
    """Those of these ids that are there."""
    return set(CommunicationRequest.objects.filter(id__in=request_ids).values_list("id", flat=True))


@dataclass(frozen=True)
class AttemptEntry:
    """One call of a provider; `error_message` in its own words."""

    row: DeliveryAttempt
    error_message: str | None


@dataclass(frozen=True)
class CommunicationDetail:
    """`text` and `context` are None once the client was erased, and where contents were not asked for. `payloads`
    holds what providers told with an event, in their words, by the event's id. `resent_as`: the later one that
    repeats it. `members`: what it brings together, of a digest. `consent`: what allowed the newest call; None: there
    was none, or nothing is known."""

    entry: CommunicationEntry
    text: str | None
    context: Mapping[str, Any] | None
    strategy: Mapping[str, Any]
    attempts: Sequence[AttemptEntry]
    events: Sequence[DeliveryEvent]
    payloads: Mapping[int, Any]
    attachments: Sequence[AttachmentEntry]
    resent_as: UUID | None
    members: Sequence[Communication] = ()
    consent: Basis | None = None


@dataclass(frozen=True)
class RequestOutcome:
    """What became of a request, as the caller who made it is told. `recipient` is masked."""

    request: CommunicationRequest
    primary: CommunicationEntry | None
    communications: Sequence[Communication]
    recipient: str | None


def get_communication(communication_id: UUID, *, contents: bool = True) -> CommunicationDetail:
    """Without `contents` nothing sealed is opened. Raises NotFound. A fixed number of queries."""
    later = Communication.objects.filter(resent_from=OuterRef("pk")).values("id")
    rows = with_last_error(Communication.objects.filter(id=communication_id)).annotate(
        later_id=Subquery(later)
    )
    row = rows.select_related("client", "plan", "request").first()
    if row is None:
        raise NotFound("There is no communication with this id.", code="communication_not_found")
    key = load_keys([row.client.data_key_id]).get(row.client.data_key_id) if contents else None
    content = _open(Communication, "content", row.content, key) or {}
    events = list(row.events.order_by("id"))
    attempts = list(row.attempts.order_by("number"))
    return CommunicationDetail(
        entry=(open_entries if contents else sealed_entries)([row])[0],
        text=content.get("text"),
        context=_open(CommunicationRequest, "context", row.request.context, key),
        strategy=row.request.strategy,
        attempts=[
            AttemptEntry(attempt, _open(DeliveryAttempt, "error_message", attempt.error_message, key))
            for attempt in attempts
        ],
        events=events,
        payloads={
            event.id: _open(DeliveryEvent, "payload", event.payload, key)
            for event in events
            if event.payload is not None and key is not None
        },
        attachments=attachments_of(row.request_id, key) if row.request.attachment_count else [],
        resent_as=row.later_id,
        members=members(row) if row.message_type == MessageType.DIGEST else (),
        consent=_basis(row, attempts),
    )


def _basis(row: Communication, attempts: Sequence[DeliveryAttempt]) -> Basis | None:
    called = [each for each in attempts if each.delivery_status != AttemptStatus.NOT_CALLED]
    if not called:
        return None
    newest = called[-1]
    return basis_of(
        client_id=row.client_id,
        contact_point_id=newest.contact_point_id,
        channel=Channel(newest.channel),
        at=newest.started_at,
    )


def members(digest: Communication) -> list[Communication]:
    """What a digest brings together, as it was asked for. One query; nothing sealed is read."""
    merged = Communication.objects.filter(digest_id=digest.id, status=Status.MERGED)
    return list(merged.defer("content").order_by("created_at", "id"))


def siblings(row: Communication) -> list[Communication]:
    """The other communications of the same request, as they were made. One query; nothing sealed is read."""
    others = Communication.objects.filter(request_id=row.request_id).exclude(id=row.id)
    return list(others.defer("content").order_by("created_at", "id"))


def get_request_outcome(request_id: UUID) -> RequestOutcome:
    """Raises NotFound. A fixed number of queries."""
    request = CommunicationRequest.objects.filter(id=request_id).first()
    if request is None:
        raise NotFound("There is no request with this id.", code="request_not_found")
    rows = list(
        with_last_error(request.communications.all())
        .select_related("client", "plan")
        .order_by("created_at", "id")
    )
    rows.sort(key=lambda row: row.role != Role.PRIMARY)
    entries = open_entries(rows[:1])
    return RequestOutcome(
        request=request,
        primary=entries[0] if entries else None,
        communications=rows,
        recipient=_masked_recipient(rows[0]) if rows else None,
    )


def communications_of(request_ids: Collection[UUID]) -> dict[UUID, list[Communication]]:
    """The communications of each request, the primary first, with what a line about them tells. One query at most."""
    if not request_ids:
        return {}
    found: dict[UUID, list[Communication]] = {request_id: [] for request_id in request_ids}
    lines = Communication.objects.only("request_id", "channel", "role", "status", "due_at", "waits_for")
    for row in lines.filter(request_id__in=request_ids).order_by("created_at", "id"):
        found[row.request_id].append(row)
    for rows in found.values():
        rows.sort(key=lambda row: row.role != Role.PRIMARY)
    return found


def is_waiting(request_id: UUID) -> bool:
    """Whether the request's primary is still to leave us."""
    waiting = [Status.SCHEDULED, Status.SENDING]
    return Communication.objects.filter(request_id=request_id, role=Role.PRIMARY, status__in=waiting).exists()


def _masked_recipient(row: Communication) -> str | None:
    kind = CONTACT_KIND_OF[Channel(row.channel)]
    point = ContactPoint.objects.filter(client=row.client_id, kind=kind, replaced_at__isnull=True).first()
    return mask(point.address, kind=kind) if point else None


def _open(model: Any, field_name: str, blob: bytes | None, key: SecretKey | None) -> Any:
    return None if key is None else unseal(model, field_name, blob, key)
