"""What a batch needs to be checked, composed and sent, in a fixed number of queries whatever its size."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F

from clients.choices import CONTACT_KIND_OF, ContactKind
from clients.models import ContactPoint
from communications.choices import MessageType, Urgency
from communications.models import Communication, CommunicationRequest, TemplateVersion
from core.choices import Channel
from core.sealing import SecretKey, load_keys, unseal
from preferences.selectors.consent import Consent, consents
from preferences.selectors.effective import EffectivePreferences, effective_preferences

ContactPoints = Mapping[tuple[UUID, ContactKind], ContactPoint]


@dataclass(frozen=True)
class SendJob:
    """One claimed communication with everything that the check and the composer ask. Sealed values stay sealed
    until they are asked for; `key` is None when the client's key was destroyed."""

    row: Mapping[str, Any]
    key: SecretKey | None
    contact_point: ContactPoint | None
    preferences: EffectivePreferences
    consent: Consent
    template_version: TemplateVersion | None

    @property
    def communication_id(self) -> UUID:
        value: UUID = self.row["id"]
        return value

    @property
    def client_id(self) -> UUID:
        value: UUID = self.row["client_id"]
        return value

    @property
    def request_id(self) -> UUID:
        value: UUID = self.row["request_id"]
        return value

    @property
    def attachment_count(self) -> int:
        """The files that go with it, one that is still to be made included."""
        value: int = self.row["attachment_count"]
        return value

    @property
    def channel(self) -> Channel:
        return Channel(self.row["channel"])

    @property
    def urgency(self) -> Urgency:
        return Urgency(self.row["urgency"])

    @property
    def message_type(self) -> MessageType:
        return MessageType(self.row["message_type"])

    @property
    def expires_at(self) -> datetime:
        value: datetime = self.row["expires_at"]
        return value

    @property
    def event_date(self) -> date | None:
        value: date | None = self.row["event_date"]
        return value

    @property
    def is_digest(self) -> bool:
        return self.message_type is MessageType.DIGEST

    def with_row(self, **changes: Any) -> "SendJob":
        """The job as it would be if its row held these values."""
        return replace(self, row={**self.row, **changes})

    def content(self) -> dict[str, str]:
        """Subject, preview and text as composed. Raises Unreadable."""
        value: dict[str, str] = self._open(Communication, "content", self.row["content"])
        return value

    def context(self) -> dict[str, Any]:
        value: dict[str, Any] = self._open(CommunicationRequest, "context", self.row["context"])
        return value

    def _open(self, model: type[Any], field: str, blob: bytes | None) -> Any:
        if self.key is None:
            return None
        return unseal(model, field, blob, self.key)


_COLUMNS = (
    "id",
    "client_id",
    "plan_id",
    "request_id",
    "channel",
    "message_type",
    "urgency",
    "content",
    "expires_at",
    "put_back_count",
    "batch_key",
    "status",
    "attempt_count",
    "request_id",
    "role",
    "created_at",
    "due_at",
)
_RELATED = {
    "gate_version": F("client__gate_version"),
    "client_name": F("client__name"),
    "client_erased_at": F("client__erased_at"),
    "data_key_id": F("client__data_key_id"),
    "context": F("request__context"),
    "template_version_id": F("request__template_version_id"),
    "attachment_count": F("request__attachment_count"),
    "document_pending": F("request__document_pending"),
    "requested_at": F("request__created_at"),
    "send_at": F("request__send_at"),
    "deliver_by": F("request__deliver_by"),
    "preferred_channel": F("request__preferred_channel"),
    "plan_reference": F("plan__reference"),
    "plan_cancelled_at": F("plan__cancelled_at"),
    "event_date": F("plan__event_date"),
}


def load_jobs(ids: Sequence[UUID]) -> list[SendJob]:
    """The jobs in the order of `ids`. Five queries."""
    rows = {row["id"]: row for row in Communication.objects.filter(id__in=ids).values(*_COLUMNS, **_RELATED)}
    client_ids = {row["client_id"] for row in rows.values()}
    points = current_contact_points(client_ids)
    preferences = effective_preferences(client_ids, default_timezone=settings.CRM_DEFAULT_TIMEZONE)
    consent = consents(client_ids, points)
    keys = load_keys(row["data_key_id"] for row in rows.values())
    versions = TemplateVersion.objects.select_related("template").in_bulk(
        {row["template_version_id"] for row in rows.values() if row["template_version_id"]}
    )
    return [
        SendJob(
            row=row,
            key=keys.get(row["data_key_id"]),
            contact_point=points.get((row["client_id"], CONTACT_KIND_OF[Channel(row["channel"])])),
            preferences=preferences[row["client_id"]],
            consent=consent[row["client_id"]],
            template_version=versions.get(row["template_version_id"]),
        )
        for row in (rows[identifier] for identifier in ids if identifier in rows)
    ]


def current_contact_points(client_ids: Collection[UUID]) -> ContactPoints:
    points = ContactPoint.objects.filter(client_id__in=client_ids, replaced_at__isnull=True)
    return {(point.client_id, ContactKind(point.kind)): point for point in points}
