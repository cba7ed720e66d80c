import uuid

from django.db import models
from django.db.models import Q

from communications.choices import OutcomeClass, ReceiptKind, ReceiptVerdict
from core.sealing import SealedField


class Receipt(models.Model):
    """Something that a provider told us after a call, stored before it is acknowledged and processed after.

    It refers to its attempt by what the provider gave back, for the attempt may not be committed yet. `payload` holds
    the provider's own words, sealed with the installation's key: whose they are is not known yet. When it is, they move
    to the attempt's `DeliveryEvent`, sealed with the client's key. Rows are kept 30 days, so that what is told again
    is known.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    provider = models.CharField(max_length=32)
    dedupe_key = models.CharField(max_length=64, help_text="Keyed hash of what makes it the same event.")
    kind = models.CharField(max_length=16, choices=[(kind.value, kind.value) for kind in ReceiptKind])
    received_at = models.DateTimeField()
    occurred_at = models.DateTimeField(null=True, blank=True, help_text="By the provider's clock.")
    # No foreign key: it may be early, or about an attempt of another installation.
    attempt_reference = models.UUIDField(null=True, blank=True)
    provider_message_id = models.CharField(max_length=255, blank=True)
    message_id = models.CharField(max_length=255, blank=True, help_text="Message-ID, of e-mail.")
    outcome_class = models.CharField(
        max_length=16, blank=True, choices=[(outcome.value, outcome.value) for outcome in OutcomeClass]
    )
    outcome_code = models.CharField(max_length=64, blank=True)
    by_machine = models.BooleanField(default=False, help_text="Opened or clicked by a program.")
    payload = SealedField(null=True, blank=True)
    verdict = models.CharField(
        max_length=16,
        choices=[(verdict.value, verdict.value) for verdict in ReceiptVerdict],
        default=ReceiptVerdict.WAITING,
    )
    processed_at = models.DateTimeField(null=True, blank=True)
    look_at = models.DateTimeField(help_text="When it is looked at next, while it waits.")
    looks = models.PositiveSmallIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(default=0)

    class Meta:
        db_table = "crm_receipts"
        constraints = [
            models.UniqueConstraint(fields=["provider", "dedupe_key"], name="receipt_once"),
            models.CheckConstraint(
                condition=Q(verdict=ReceiptVerdict.WAITING, processed_at__isnull=True)
                | (~Q(verdict=ReceiptVerdict.WAITING) & Q(processed_at__isnull=False)),
                name="receipt_processed_has_verdict",
            ),
        ]
        indexes = [
            models.Index(
                fields=["look_at"], condition=Q(processed_at__isnull=True), name="receipt_waiting_idx"
            ),
            models.Index(fields=["received_at"], name="receipt_received_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} by {self.provider}"
