import uuid

from django.db import models
from django.db.models import Q

from clients.models import Client, Plan
from communications.choices import MessageType, Urgency
from communications.models.template import TemplateVersion
from core.sealing import SealedField


class CommunicationRequest(models.Model):
    """What a caller asked for, and what was decided about it, also when the decision was not to send.

    `business_key` is a keyed hash over client, plan, type and the caller's `dedup_key` or the values of the
    variables; of the requests that share one, only one `holds_key` (engine.md §Idempotency).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # No index: requests are looked up by plan, and clients are erased, never deleted.
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="requests", db_index=False)
    # No index of its own: request_plan_type_idx begins with it.
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="requests", db_index=False)
    message_type = models.CharField(max_length=32, choices=[(kind.value, kind.value) for kind in MessageType])
    urgency = models.CharField(max_length=16, choices=[(urgency.value, urgency.value) for urgency in Urgency])
    preferred_channel = models.CharField(max_length=16, blank=True)
    context = SealedField(help_text="The normalised context, sealed with the client's key.")
    template_version = models.ForeignKey(
        TemplateVersion, null=True, on_delete=models.PROTECT, related_name="requests"
    )
    strategy = models.JSONField(help_text="The stored decision with its reasons; nothing personal.")
    business_key = models.CharField(max_length=64)
    holds_key = models.BooleanField(default=True)
    attachment_count = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Files that go with it, one that is still to be made included."
    )
    document_pending = models.BooleanField(
        default=False, db_default=False, help_text="Its blueprint has not been made into a PDF yet."
    )
    send_at = models.DateTimeField(null=True, blank=True)
    deliver_by = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(help_text="Nothing of this request is sent from this instant on.")
    created_by = models.CharField(max_length=128, help_text="The caller: service:NAME or staff:ID.")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "crm_communication_requests"
        constraints = [
            models.UniqueConstraint(
                fields=["business_key"], condition=Q(holds_key=True), name="request_business_key_held_once"
            ),
            models.CheckConstraint(
                condition=Q(message_type__in=[kind.value for kind in MessageType]), name="request_type_known"
            ),
            models.CheckConstraint(
                condition=Q(urgency__in=[urgency.value for urgency in Urgency]), name="request_urgency_known"
            ),
        ]
        indexes = [
            models.Index(fields=["plan", "message_type", "-created_at"], name="request_plan_type_idx"),
            models.Index(
                fields=["created_at"], condition=Q(document_pending=True), name="request_document_pending_idx"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.message_type} {self.id}"
