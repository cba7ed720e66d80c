import pghistory
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from clients.models import Client
from core.choices import Channel
from preferences.choices import Frequency, SettingSource


def _source_field() -> "models.CharField[str, str]":
    """Who set the value beside it; empty: nobody did."""
    return models.CharField(
        max_length=16, choices=[(source.value, source.value) for source in SettingSource], blank=True
    )


# What stood there before each change; who made it and why is the history's context (services/changing.py). Nothing
# personal: settings and references.
@pghistory.track(
    pghistory.UpdateEvent(row=pghistory.Old),
    exclude=["created_at", "updated_at"],
    model_name="ClientPreferencesHistory",
    meta={"db_table": "crm_client_preferences_history", "verbose_name_plural": "history of preferences"},
)
class ClientPreferences(models.Model):
    """How a client wants to be written to (PRF-1). A null setting means: never chosen, the default holds."""

    client = models.OneToOneField(
        Client, on_delete=models.CASCADE, primary_key=True, related_name="preferences"
    )
    preferred_channels = ArrayField(
        models.CharField(max_length=16, choices=[(channel.value, channel.value) for channel in Channel]),
        null=True,
        blank=True,
        help_text="In the client's order; null until somebody chose.",
    )
    channels_source = _source_field()
    timezone = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 - null: never set
    timezone_source = _source_field()
    quiet_hours_start = models.TimeField(null=True, blank=True)
    quiet_hours_end = models.TimeField(null=True, blank=True)
    # Both null with a source: somebody chose to have none.
    quiet_hours_source = _source_field()
    pause_until = models.DateTimeField(null=True, blank=True)
    pause_source = _source_field()
    frequency = models.CharField(
        max_length=16,
        choices=[(frequency.value, frequency.value) for frequency in Frequency],
        default=Frequency.AT_ONCE,
        db_default=Frequency.AT_ONCE,
        help_text="How often what can wait is sent.",
    )
    frequency_source = _source_field()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "crm_client_preferences"
        verbose_name_plural = "client preferences"
        constraints = [
            models.CheckConstraint(
                condition=Q(quiet_hours_start__isnull=True, quiet_hours_end__isnull=True)
                | Q(quiet_hours_start__isnull=False, quiet_hours_end__isnull=False),
                name="preferences_quiet_hours_both_or_none",
            ),
            models.CheckConstraint(
                condition=Q(quiet_hours_start__isnull=True) | ~Q(quiet_hours_start=F("quiet_hours_end")),
                name="preferences_quiet_hours_not_empty",
            ),
            models.CheckConstraint(
                condition=Q(frequency__in=[frequency.value for frequency in Frequency]),
                name="preferences_frequency_known",
            ),
        ]

    def __str__(self) -> str:
        return f"Preferences of {self.client_id}"
