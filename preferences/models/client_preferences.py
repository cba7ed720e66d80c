from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from clients.models import Client
from core.choices import Channel
from preferences.choices import Frequency, SettingSource


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
    timezone = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 - null: never set
    timezone_source = models.CharField(
        max_length=16, choices=[(source.value, source.value) for source in SettingSource], blank=True
    )
    quiet_hours_start = models.TimeField(null=True, blank=True)
    quiet_hours_end = models.TimeField(null=True, blank=True)
    pause_until = models.DateTimeField(null=True, blank=True)
    frequency = models.CharField(
        max_length=16,
        choices=[(frequency.value, frequency.value) for frequency in Frequency],
        default=Frequency.AT_ONCE,
        db_default=Frequency.AT_ONCE,
        help_text="How often what can wait is sent.",
    )
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
