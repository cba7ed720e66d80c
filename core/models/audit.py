from django.db import models


class AuditEntry(models.Model):
    """Who did what to what. Append-only by a database trigger; holds references only."""

    id = models.BigAutoField(primary_key=True)
    occurred_at = models.DateTimeField()
    actor = models.CharField(max_length=100)
    action = models.CharField(max_length=100)
    target = models.CharField(max_length=200)
    details = models.JSONField(default=dict)

    class Meta:
        db_table = "crm_audit_log"
        verbose_name_plural = "audit entries"
        ordering = ["-id"]
        indexes = [
            models.Index(name="crm_audit_log_target", fields=["target", "-id"]),
            models.Index(name="crm_audit_log_occurred", fields=["-occurred_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target}"
