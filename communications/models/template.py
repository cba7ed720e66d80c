import uuid

from django.db import models

from core.choices import Channel


class Template(models.Model):
    """A named text for one channel. What is sent is always one immutable version of it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=64)
    channel = models.CharField(max_length=16, choices=[(channel.value, channel.value) for channel in Channel])
    active_version = models.ForeignKey(
        "communications.TemplateVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "crm_communication_templates"
        constraints = [
            models.UniqueConstraint(fields=["name", "channel"], name="template_name_channel_unique"),
            models.CheckConstraint(
                condition=models.Q(channel__in=[channel.value for channel in Channel]),
                name="template_channel_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.channel})"


class TemplateVersion(models.Model):
    """One immutable version (a trigger refuses changes): source, what was compiled from it, its variables.

    `variables` is a list of `{"name", "required", "default", "description"}`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # No index of its own: template_version_number_unique begins with it.
    template = models.ForeignKey(Template, on_delete=models.PROTECT, related_name="versions", db_index=False)
    number = models.PositiveIntegerField()
    subject = models.TextField()
    preheader = models.TextField(blank=True)
    source_mjml = models.TextField(help_text="MJML with Django template tags.")
    html = models.TextField(help_text="Compiled when the version was saved; Django tags still inside.")
    text = models.TextField(help_text="The plain-text part, written, not stripped from the HTML.")
    variables = models.JSONField(default=list)
    checksum = models.CharField(
        max_length=64, help_text="SHA-256 of subject, preheader, source, text, variables."
    )
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=128)

    class Meta:
        db_table = "crm_communication_template_versions"
        constraints = [
            models.UniqueConstraint(fields=["template", "number"], name="template_version_number_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.template} v{self.number}"
