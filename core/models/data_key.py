import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone


class DataKey(models.Model):
    """A client's 32-byte key, encrypted with the installation's keys. Destroyed: all that it sealed is gone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    wrapped_key = models.TextField(null=True, editable=False)  # noqa: DJ001 - null is "destroyed", '' would be a key
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    destroyed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "crm_data_keys"
        constraints = [
            models.CheckConstraint(
                name="crm_data_keys_destroyed_has_no_key",
                condition=Q(wrapped_key__isnull=True, destroyed_at__isnull=False)
                | Q(wrapped_key__isnull=False, destroyed_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
