import uuid

from django.db import models
from django.db.models import Q


class AttentionItem(models.Model):
    """Something that a person should look at. One open row per (kind, dedupe_key); holds nothing personal."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=60)
    dedupe_key = models.CharField(max_length=200)
    target = models.CharField(max_length=200)
    details = models.JSONField(default=dict)
    occurrences = models.PositiveIntegerField(default=1)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(max_length=100, default="")
    # When administrators were told of it, for the kinds that they are told of.
    alerted_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "crm_attention_items"
        ordering = ["-last_seen_at", "id"]
        constraints = [
            models.UniqueConstraint(
                name="crm_attention_items_one_open",
                fields=["kind", "dedupe_key"],
                condition=Q(resolved_at__isnull=True),
            ),
            models.CheckConstraint(
                name="crm_attention_items_resolved_by_someone",
                condition=Q(resolved_at__isnull=True, resolved_by="")
                | (Q(resolved_at__isnull=False) & ~Q(resolved_by="")),
            ),
        ]
        indexes = [
            models.Index(
                name="crm_attention_items_open",
                fields=["-last_seen_at", "id"],
                condition=Q(resolved_at__isnull=True),
            ),
            models.Index(
                name="crm_attention_items_untold",
                fields=["kind"],
                condition=Q(resolved_at__isnull=True, alerted_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.target}"
