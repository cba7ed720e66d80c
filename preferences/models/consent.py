from django.db import models
from django.db.models import Q

from clients.models import Client
from core.choices import Channel, Purpose
from core.sealing import SealedField
from preferences.choices import ConsentSource, ConsentState


def _choices(words: "type[Channel | Purpose | ConsentState | ConsentSource]") -> list[tuple[str, str]]:
    return [(word.value, word.value) for word in words]


class ConsentEntry(models.Model):
    """One line of the ledger of consent: who allowed or refused what, when, with which words. Append-only, by trigger.

    What holds now is derived (`rules/consent.py`). `is_default` entries say that contact data was given; they are
    evidence of what holds anyway, and deciding does not read them.
    """

    client = models.ForeignKey(
        Client, on_delete=models.PROTECT, related_name="consent_entries", db_index=False
    )
    # Without a constraint: erasing removes contact points, and the ledger stays.
    contact_point_id = models.UUIDField(null=True, blank=True)
    channel = models.CharField(max_length=16, choices=_choices(Channel))
    purpose = models.CharField(max_length=16, choices=_choices(Purpose))
    state = models.CharField(max_length=16, choices=_choices(ConsentState))
    source = models.CharField(max_length=16, choices=_choices(ConsentSource))
    is_default = models.BooleanField(default=False)
    wording = models.CharField(max_length=64, help_text="Version, in rules/wordings.py.")
    actor = models.CharField(max_length=100)
    ip = SealedField(null=True, blank=True)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        db_table = "crm_consent_entries"
        verbose_name_plural = "consent entries"
        constraints = [
            models.CheckConstraint(
                condition=Q(channel__in=[each.value for each in Channel]), name="consent_channel_known"
            ),
            models.CheckConstraint(
                condition=Q(purpose__in=[each.value for each in Purpose]), name="consent_purpose_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=[each.value for each in ConsentState]), name="consent_state_known"
            ),
            models.CheckConstraint(
                condition=Q(source__in=[each.value for each in ConsentSource]), name="consent_source_known"
            ),
        ]
        indexes = [
            models.Index(fields=["client", "id"], name="consent_client_idx"),
            # What decides; most clients have nothing in it.
            models.Index(fields=["client"], condition=Q(is_default=False), name="consent_deciding_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.state} of {self.client_id}"
