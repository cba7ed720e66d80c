import os
import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from core.crypto import KEY_BYTES, wrap_key


class KeyPurpose(models.TextChoices):
    CLIENT = "client", "One client"
    INSTALLATION = "installation", "What belongs to no client"


class DataKeyManager(models.Manager["DataKey"]):
    def issue(self, n: int = 1) -> list["DataKey"]:
        """`n` new client keys in one insert. The plain key is known to nobody after this."""
        return self.bulk_create([DataKey(wrapped_key=new_wrapped_key()) for _ in range(n)])


class DataKey(models.Model):
    """A 32-byte key, encrypted with the installation's keys. Destroyed: all that it sealed is gone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    purpose = models.CharField(max_length=20, choices=KeyPurpose.choices, default=KeyPurpose.CLIENT)
    wrapped_key = models.TextField(null=True, editable=False)  # noqa: DJ001 - null is "destroyed", '' would be a key
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    destroyed_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[DataKeyManager] = DataKeyManager()

    class Meta:
        db_table = "crm_data_keys"
        constraints = [
            models.CheckConstraint(
                name="crm_data_keys_destroyed_has_no_key",
                condition=Q(wrapped_key__isnull=True, destroyed_at__isnull=False)
                | Q(wrapped_key__isnull=False, destroyed_at__isnull=True),
            ),
            models.CheckConstraint(
                name="crm_data_keys_purpose_known", condition=Q(purpose__in=KeyPurpose.values)
            ),
            models.UniqueConstraint(
                name="crm_data_keys_one_installation_key",
                fields=["purpose"],
                condition=Q(purpose=KeyPurpose.INSTALLATION, destroyed_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


def new_wrapped_key() -> str:
    return wrap_key(os.urandom(KEY_BYTES))
