from django.db import models


class Heartbeat(models.Model):
    """The last sign of life of one process, on the database's real clock."""

    id = models.BigAutoField(primary_key=True)
    component = models.CharField(max_length=40)
    instance = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()

    class Meta:
        db_table = "crm_heartbeats"
        ordering = ["component", "-beat_at"]
        constraints = [
            models.UniqueConstraint(name="crm_heartbeats_instance", fields=["component", "instance"])
        ]

    def __str__(self) -> str:
        return f"{self.component} {self.instance}"
