import uuid

from django.db import models

from clients.models.client import Client
from core.sealing import SealedField


class Plan(models.Model):
    """The event being planned. `stage` is the highest that it has reached (1 welcome … 5 blueprint)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    reference = models.CharField(max_length=64)
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="plans")
    event_type = SealedField(null=True, blank=True)
    # In clear: expiry and reminders are computed from it. A date alone identifies nobody.
    event_date = models.DateField(null=True, blank=True)
    stage = models.PositiveSmallIntegerField(default=0)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "crm_plans"
        constraints = [models.UniqueConstraint(fields=["reference"], name="plan_reference_unique")]

    def __str__(self) -> str:
        return self.reference
