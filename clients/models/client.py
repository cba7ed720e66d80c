import uuid

from django.db import models

from core.models import DataKey


class Client(models.Model):
    """The person we write to.

    `reference` is the caller's own name for them. The name is in clear so that staff can search it; everything
    else personal is encrypted (contact points) or sealed with `data_key`, whose destruction erases it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    reference = models.CharField(max_length=64)
    name = models.CharField(max_length=200, blank=True)
    data_key = models.OneToOneField(DataKey, on_delete=models.PROTECT, related_name="client")
    # Raised in the same transaction as anything that may change whether, where or when we may write: the fence
    # of dispatch compares it, so a change is obeyed from the instant it is committed.
    gate_version = models.BigIntegerField(default=0)
    erased_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "crm_clients"
        constraints = [
            # Not unique=True, which would add an index for LIKE that nobody asks.
            models.UniqueConstraint(fields=["reference"], name="client_reference_unique"),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="client_created_idx"),
            models.Index(fields=["name", "id"], name="client_name_idx"),
        ]
        # Searched by any part of the name: client_name_search_idx, made by the migration 0002_name_search.

    def __str__(self) -> str:
        return self.name or self.reference
