from django.db import models
from django.db.models import BigIntegerField, Func, TextField
from django.db.models.functions import Cast, Now


class OutboxEvent(models.Model):
    """Something that happened, for whoever cares. Holds references only.

    Read in the order (transaction_id, id), and only rows of transactions older than every open one: an id is
    given before its transaction commits, so a later id can become visible first.
    """

    id = models.BigAutoField(primary_key=True)
    transaction_id = models.BigIntegerField(
        editable=False,
        db_default=Cast(Cast(Func(function="pg_current_xact_id"), TextField()), BigIntegerField()),
    )
    topic = models.CharField(max_length=80)
    subject = models.CharField(max_length=200)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(editable=False, db_default=Now())

    class Meta:
        db_table = "crm_outbox"
        ordering = ["transaction_id", "id"]
        indexes = [
            models.Index(name="crm_outbox_order", fields=["transaction_id", "id"]),
            models.Index(name="crm_outbox_created", fields=["created_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.subject}"


class OutboxCursor(models.Model):
    """How far one consumer has read. The row is locked while its handler runs."""

    consumer = models.CharField(primary_key=True, max_length=80)
    transaction_id = models.BigIntegerField(default=0)
    event_id = models.BigIntegerField(default=0)
    # The first event of the batch that keeps failing, and how often in a row.
    failing_event_id = models.BigIntegerField(null=True)
    failures = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "crm_outbox_cursors"
        ordering = ["consumer"]

    def __str__(self) -> str:
        return self.consumer
