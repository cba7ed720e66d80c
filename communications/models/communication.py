import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q

from clients.models import Client, Plan
from communications.choices import MessageType, Role, Status, Urgency
from communications.models.request import CommunicationRequest
from core.choices import Channel
from core.sealing import SealedField


class Communication(models.Model):
    """One message to one client on one channel. While it is scheduled or being sent it has a `QueueEntry`.

    `status` is changed by `communications.services.lifecycle` alone; a trigger refuses pairs that the lifecycle table
    does not allow. `content` holds `{"subject", "preview", "text"}` as composed.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    request = models.ForeignKey(CommunicationRequest, on_delete=models.PROTECT, related_name="communications")
    # No index of their own: communication_client_idx and communication_plan_idx begin with them.
    client = models.ForeignKey(
        Client, on_delete=models.PROTECT, related_name="communications", db_index=False
    )
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="communications", db_index=False)
    message_type = models.CharField(max_length=32, choices=[(kind.value, kind.value) for kind in MessageType])
    channel = models.CharField(max_length=16, choices=[(channel.value, channel.value) for channel in Channel])
    role = models.CharField(max_length=16, choices=[(role.value, role.value) for role in Role])
    urgency = models.CharField(max_length=16, choices=[(urgency.value, urgency.value) for urgency in Urgency])
    priority = models.PositiveSmallIntegerField()
    status = models.CharField(max_length=16, choices=[(status.value, status.value) for status in Status])
    content = SealedField(null=True, blank=True)
    html_sha256 = models.CharField(max_length=64, blank=True)
    metadata = models.JSONField(default=dict, blank=True)

    due_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    waits_for = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="What must end before it goes out: a pause or an open circuit. Then due_at is when it is looked "
        "at in any case.",
    )
    batch_key = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="What it shares with the others of the digest that it is held for.",
    )
    call_started_at = models.DateTimeField(null=True, blank=True)
    cancel_requested = models.BooleanField(default=False)
    retry_count = models.PositiveSmallIntegerField(default=0)
    put_back_count = models.PositiveSmallIntegerField(default=0)
    attempt_count = models.PositiveSmallIntegerField(default=0)
    outcome_code = models.CharField(max_length=64, blank=True)

    # The digest that it was put into; of a digest itself, none.
    digest = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="members", db_index=False
    )
    # One that was sent after all, or once more; unique, so that two people who press at once send it once.
    resent_from = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="resent_as", db_index=False
    )

    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    clicked_at = models.DateTimeField(null=True, blank=True)
    responded_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    shows_engagement = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether a reaction of the client could be seen: it asks something, or holds a tracked link.",
    )
    open_count = models.PositiveIntegerField(default=0)
    click_count = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "crm_communications"
        # Subject, text and context; without it a viewer is shown that a message went, not what it said.
        permissions = [("view_content", "Can read what messages say")]
        constraints = [
            # Siblings never use one channel, unless the earlier of them surely failed there.
            models.UniqueConstraint(
                fields=["request", "channel"],
                condition=~Q(status__in=[Status.FAILED, Status.CANCELLED]),
                name="communication_once_per_channel",
            ),
            models.UniqueConstraint(
                fields=["resent_from"],
                condition=Q(resent_from__isnull=False),
                name="communication_resent_once",
            ),
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in Status]), name="communication_status_known"
            ),
            models.CheckConstraint(
                condition=Q(channel__in=[channel.value for channel in Channel]),
                name="communication_channel_known",
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.SCHEDULED) | Q(due_at__isnull=False),
                name="communication_scheduled_has_due",
            ),
        ]
        indexes = [
            models.Index(
                fields=["status", "-created_at"],
                condition=Q(status__in=[Status.FAILED, Status.IN_DOUBT, Status.HELD]),
                name="communication_rare_status_idx",
            ),
            # Read by what releases digests when their time has come.
            models.Index(fields=["due_at"], condition=Q(status=Status.HELD), name="communication_held_idx"),
            models.Index(
                fields=["digest"], condition=Q(digest__isnull=False), name="communication_digest_idx"
            ),
            models.Index(fields=["-created_at", "-id"], name="communication_created_idx"),
            models.Index(fields=["client", "-created_at"], name="communication_client_idx"),
            models.Index(fields=["plan", "-created_at"], name="communication_plan_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.message_type} by {self.channel}"

    @property
    def goes_out_at(self) -> datetime | None:
        """When it is planned to go out; None while nobody can tell, because it waits for something to end."""
        return None if self.waits_for else self.due_at
