from django.db import models


class AdminAlert(models.Model):
    """How far administrators were told of one kind of attention item. `claimed_until`: a process is telling them."""

    kind = models.CharField(primary_key=True, max_length=60)
    sent_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    claimed_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "crm_admin_alerts"
        ordering = ["kind"]

    def __str__(self) -> str:
        return self.kind
