from django.db import models


class SpooledEntry(models.Model):
    """An entry of the spool that was dealt with: written in the transaction that stored it, so that it is stored
    once, whatever becomes of the worker. Kept 30 days."""

    id = models.UUIDField(primary_key=True, editable=False)
    kind = models.CharField(max_length=40)
    caller = models.CharField(max_length=128)
    received_at = models.DateTimeField(help_text="Real time.")
    settled_at = models.DateTimeField(help_text="Real time.")

    class Meta:
        db_table = "crm_spooled_entries"
        indexes = [models.Index(fields=["settled_at"], name="crm_spooled_entries_settled")]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
