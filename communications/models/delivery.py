import uuid

from django.db import models
from django.db.models import Q

from clients.models import ContactPoint
from communications.choices import AttemptStatus, OutcomeClass
from communications.models.communication import Communication
from core.sealing import SealedField


class DeliveryAttempt(models.Model):
    """One call of a provider for one communication. Written by the fence, before the call begins."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # No index of its own: attempt_number_unique begins with it.
    communication = models.ForeignKey(
        Communication, on_delete=models.PROTECT, related_name="attempts", db_index=False
    )
    number = models.PositiveSmallIntegerField()
    channel = models.CharField(max_length=16)
    provider = models.CharField(max_length=32)
    contact_point = models.ForeignKey(
        ContactPoint, null=True, on_delete=models.SET_NULL, related_name="attempts"
    )
    lease_token = models.UUIDField()
    delivery_status = models.CharField(
        max_length=16, choices=[(status.value, status.value) for status in AttemptStatus]
    )
    message_id = models.CharField(max_length=255, help_text="Message-ID, made before sending.")
    provider_message_id = models.CharField(max_length=255, blank=True)
    outcome_class = models.CharField(
        max_length=16, blank=True, choices=[(outcome.value, outcome.value) for outcome in OutcomeClass]
    )
    outcome_code = models.CharField(max_length=64, blank=True)
    error_message = SealedField(
        null=True, blank=True, help_text="The provider's own words; may quote addresses."
    )
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    clicked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "crm_delivery_logs"
        constraints = [
            models.UniqueConstraint(fields=["communication", "number"], name="attempt_number_unique"),
            models.UniqueConstraint(
                fields=["provider", "provider_message_id"],
                condition=~Q(provider_message_id=""),
                name="attempt_provider_message_unique",
            ),
            models.CheckConstraint(
                condition=Q(delivery_status__in=[status.value for status in AttemptStatus]),
                name="attempt_status_known",
            ),
        ]
        indexes = [models.Index(fields=["message_id"], name="attempt_message_id_idx")]

    def __str__(self) -> str:
        return f"attempt {self.number} by {self.provider}"


class DeliveryEvent(models.Model):
    """What happened to a communication, append-only (a trigger refuses changes).

    A row is either a change of status (`from_status`, `to_status`, `cause`, `actor`) or something a provider told
    us (`cause` names it, `payload` holds its own words, sealed).
    """

    id = models.BigAutoField(primary_key=True)
    # No index of its own: delivery_event_story_idx begins with it.
    communication = models.ForeignKey(
        Communication, on_delete=models.PROTECT, related_name="events", db_index=False
    )
    attempt = models.ForeignKey(DeliveryAttempt, null=True, on_delete=models.PROTECT, related_name="events")
    from_status = models.CharField(max_length=16, blank=True)
    to_status = models.CharField(max_length=16, blank=True)
    cause = models.CharField(max_length=32)
    actor = models.CharField(max_length=128)
    reason = models.CharField(max_length=64, blank=True, help_text="The code of our rule that decided.")
    code = models.CharField(max_length=64, blank=True, help_text="The provider's own code.")
    occurred_at = models.DateTimeField(
        help_text="When it happened, by the provider's clock where it has one."
    )
    recorded_at = models.DateTimeField(help_text="When we learned of it.")
    payload = SealedField(null=True, blank=True)

    class Meta:
        db_table = "crm_delivery_events"
        indexes = [models.Index(fields=["communication", "id"], name="delivery_event_story_idx")]

    def __str__(self) -> str:
        return f"{self.cause} {self.from_status} → {self.to_status}"
