from datetime import timedelta

from django.db import models
from django.db.models import Q


class ClockOffset(models.Model):
    """How far the demo's clock is ahead of real time. At most one row; none means zero."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    offset = models.DurationField(default=timedelta)

    class Meta:
        db_table = "crm_clock"
        constraints = [
            models.CheckConstraint(name="crm_clock_single_row", condition=Q(id=1)),
            models.CheckConstraint(name="crm_clock_never_behind", condition=Q(offset__gte=timedelta())),
        ]
