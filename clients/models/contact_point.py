import uuid

from django.db import models
from django.db.models import Q

from clients.choices import ContactKind
from clients.models.client import Client
from core.fields import EncryptedCharField


class ContactPoint(models.Model):
    """One address of one client. A new address is a new row: attempts keep pointing at the one they used, so a
    late bounce never marks a newer address."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="contact_points")
    kind = models.CharField(max_length=16, choices=[(kind.value, kind.label) for kind in ContactKind])
    address = EncryptedCharField(max_length=320)
    address_index = models.CharField(max_length=64, help_text="Keyed hash of the normalised address.")
    undeliverable_at = models.DateTimeField(null=True, blank=True)
    undeliverable_code = models.CharField(max_length=64, blank=True)
    replaced_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "crm_contact_points"
        # What is not masked is shown by services.reveal alone, which audits it.
        permissions = [
            ("reveal_contact", "Can reveal addresses and numbers"),
            ("reveal_contact_with_reason", "Can reveal addresses and numbers, giving a reason"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["client", "kind"],
                condition=Q(replaced_at__isnull=True),
                name="contact_point_one_current",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in ContactKind]), name="contact_point_kind_known"
            ),
        ]
        indexes = [models.Index(fields=["kind", "address_index"], name="contact_point_address_idx")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.client_id}"
