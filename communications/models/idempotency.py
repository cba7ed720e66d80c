from django.db import models

from communications.models.request import CommunicationRequest


class IdempotencyKey(models.Model):
    """One `Idempotency-Key` of one caller and the request it led to. Valid for 24 hours."""

    caller = models.CharField(max_length=128)
    key_hash = models.CharField(max_length=64, help_text="Keyed hash: callers may put anything into a key.")
    body_hash = models.CharField(max_length=64)
    request = models.ForeignKey(CommunicationRequest, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "crm_idempotency_keys"
        constraints = [
            models.UniqueConstraint(fields=["caller", "key_hash"], name="idempotency_key_unique_per_caller"),
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_created_idx")]

    def __str__(self) -> str:
        return f"key of {self.caller}"
