import uuid
from typing import Final

from django.db import models
from django.db.models import Q

from communications.choices import PauseScope

SENDING_GATE_ID: Final = 1


class Pause(models.Model):
    """One pull of the kill switch. Open until it is lifted; never deleted, so it tells who stopped what and when.

    `value` is the channel, the plan's reference or the message type; empty for everything.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    scope = models.CharField(max_length=16, choices=[(scope.value, scope.value) for scope in PauseScope])
    value = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=200, blank=True, help_text="Why, in words that name nobody.")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=128)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=128, blank=True)

    class Meta:
        db_table = "crm_pauses"
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "value"], condition=Q(lifted_at__isnull=True), name="pause_one_open"
            ),
            models.CheckConstraint(
                condition=Q(scope__in=[scope.value for scope in PauseScope]), name="pause_scope_known"
            ),
            models.CheckConstraint(
                condition=Q(scope=PauseScope.EVERYTHING, value="")
                | (~Q(scope=PauseScope.EVERYTHING) & ~Q(value="")),
                name="pause_value_fits_scope",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.value}".strip()


class SendingGate(models.Model):
    """The installation's gate: `version` rises with every pause and every lifting. One row, always.

    The fence holds it FOR SHARE and demands the version that the check saw, so a pause is obeyed from its commit.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=SENDING_GATE_ID, editable=False)
    version = models.BigIntegerField(default=0)

    class Meta:
        db_table = "crm_sending_gate"
        constraints = [
            models.CheckConstraint(condition=Q(id=SENDING_GATE_ID), name="sending_gate_single_row")
        ]

    def __str__(self) -> str:
        return f"version {self.version}"
