from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from clients.models import Client
from communications.models.communication import Communication


class QueueEntry(models.Model):
    """One communication that is scheduled or being sent, as narrow as a row can be: what workers claim.

    Triggers on `crm_communications` write and remove these rows in the statement that changes the status, the due time
    or what is waited for; nobody else can (a trigger refuses it). Only `lease_token` and `lapses` are written here, by
    `communications.services.queue`.

    No lease: to be claimed when it is due. A lease and the communication scheduled: claimed, no call has begun. A lease
    and the communication sending: its call has begun.
    """

    communication = models.OneToOneField(
        Communication,
        primary_key=True,
        # Kept by the triggers; a foreign key would look each row up once more.
        db_constraint=False,
        on_delete=models.DO_NOTHING,
        related_name="queue_entry",
    )
    client = models.ForeignKey(
        Client, db_constraint=False, db_index=False, on_delete=models.DO_NOTHING, related_name="+"
    )
    priority = models.PositiveSmallIntegerField()
    due_at = models.DateTimeField(help_text="On the product's clock.")
    waits_for = models.CharField(max_length=64, blank=True, default="")
    lapses = models.PositiveSmallIntegerField(
        default=0, help_text="How often its worker was lost before a call had begun."
    )
    # In no index, not even in the condition of one, so that a claim changes a row within its page and no index. What is
    # claimed is walked over by other claims: as many rows as all workers hold at the moment.
    lease_token = models.UUIDField(null=True, blank=True)

    class Meta:
        db_table = "crm_queue"
        verbose_name_plural = "queue entries"
        indexes = [
            # Without what is parked: a million rows that wait for a pause stand in nobody's way.
            models.Index(fields=["priority", "due_at"], condition=Q(waits_for=""), name="queue_due_idx"),
            # ALONE_AFTER_LAPSES of services.queue, which claims these rows by themselves.
            models.Index(
                fields=["priority", "due_at"],
                condition=Q(waits_for="", lapses__gte=3),
                name="queue_suspicious_idx",
            ),
            models.Index(
                fields=["waits_for", "priority", "due_at"],
                condition=~Q(waits_for=""),
                name="queue_waiting_idx",
            ),
        ]

    def __str__(self) -> str:
        return f"due {self.due_at}"


class QueueLease(models.Model):
    """One claim of a worker: until when the rows that bear its token are its own. Renewed as one row, whatever it
    holds; removed by the sweep once it has run out."""

    token = models.UUIDField(primary_key=True)
    expires_at = models.DateTimeField(help_text="Real time, on the database's clock.")
    worker = models.CharField(max_length=128)
    communication_ids = ArrayField(models.UUIDField(), help_text="What was claimed; some of it may be done.")

    class Meta:
        db_table = "crm_queue_leases"

    def __str__(self) -> str:
        return f"held by {self.worker}"
