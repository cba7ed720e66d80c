import uuid

from django.db import models
from django.db.models import Q

from clients.choices import ContactKind
from core.choices import Channel
from core.fields import EncryptedCharField
from preferences.choices import ReleaseReason, SuppressionReason


class Suppression(models.Model):
    """An address that is not to be written to on a channel, whoever it belongs to: also unknown ones, those of several
    clients, and those of erased ones, of which only the keyed hash is left."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    channel = models.CharField(max_length=16, choices=[(each.value, each.value) for each in Channel])
    kind = models.CharField(max_length=16, choices=[(kind.value, kind.label) for kind in ContactKind])
    address_index = models.CharField(max_length=64, help_text="Keyed hash of the normalised address.")
    address = EncryptedCharField(max_length=320, null=True, blank=True)
    reason = models.CharField(max_length=32, choices=[(each.value, each.label) for each in SuppressionReason])
    occurred_at = models.DateTimeField(help_text="Since when; as the list or the opt-out says.")
    created_by = models.CharField(max_length=100)
    created_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.CharField(max_length=100, blank=True)
    release_reason = models.CharField(
        max_length=32, blank=True, choices=[(each.value, each.label) for each in ReleaseReason]
    )

    class Meta:
        db_table = "crm_suppressions"
        permissions = [("export_suppression", "Can export the addresses that are not to be written to")]
        constraints = [
            models.UniqueConstraint(
                fields=["address_index", "channel"],
                condition=Q(released_at__isnull=True),
                name="suppression_one_in_force",
            ),
            models.CheckConstraint(
                condition=Q(channel__in=[each.value for each in Channel]), name="suppression_channel_known"
            ),
        ]
        indexes = [
            models.Index(fields=["address_index"], name="suppression_address_idx"),
            models.Index(fields=["-created_at", "-id"], name="suppression_created_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.reason}"
