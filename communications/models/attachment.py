import uuid

from django.db import models
from django.db.models import Q

from clients.models import Client
from communications.models.request import CommunicationRequest
from communications.rules.files import JPEG, PDF, PNG
from core.sealing import SealedField


class Attachment(models.Model):
    """A file of one client, stored once however many requests carry it, sealed with the client's key.

    `content_hash` is a keyed hash, so equal files of different clients do not look equal.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # No index of its own: attachment_once_per_client begins with it.
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="attachments", db_index=False)
    content_hash = models.CharField(max_length=64)
    media_type = models.CharField(max_length=32, choices=[(kind, kind) for kind in (PDF, PNG, JPEG)])
    size_bytes = models.PositiveIntegerField(help_text="Of the file itself, unsealed.")
    content = SealedField(help_text="The file's bytes, sealed.")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "crm_attachments"
        constraints = [
            models.UniqueConstraint(fields=["client", "content_hash"], name="attachment_once_per_client"),
            models.CheckConstraint(
                condition=Q(media_type__in=[PDF, PNG, JPEG]), name="attachment_media_type_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.media_type}, {self.size_bytes} bytes"


class RequestAttachment(models.Model):
    """A file that goes with a request, under the name that it has there. `made_by_us`: the blueprint as a PDF."""

    id = models.BigAutoField(primary_key=True)
    # No index of its own: request_attachment_position begins with it.
    request = models.ForeignKey(
        CommunicationRequest, on_delete=models.PROTECT, related_name="attachments", db_index=False
    )
    attachment = models.ForeignKey(Attachment, on_delete=models.PROTECT, related_name="uses")
    position = models.PositiveSmallIntegerField()
    filename = SealedField(help_text="Cleaned; may name people.")
    made_by_us = models.BooleanField(default=False)

    class Meta:
        db_table = "crm_request_attachments"
        constraints = [
            models.UniqueConstraint(fields=["request", "position"], name="request_attachment_position"),
        ]

    def __str__(self) -> str:
        return f"attachment {self.position} of {self.request_id}"
