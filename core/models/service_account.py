from django.contrib.postgres.fields import ArrayField
from django.db import models

from core.scopes import Scope


class ServiceAccount(models.Model):
    """A program that calls the API: the planning agent and its like.

    `secret` is a password hash. Raising `generation` ends every refresh token issued before; access tokens
    are checked without the database and end by themselves (`CRM_ACCESS_TOKEN_MINUTES`).
    """

    name = models.CharField(max_length=64)
    secret = models.CharField(max_length=128, editable=False)
    scopes = ArrayField(models.CharField(max_length=32))
    is_active = models.BooleanField(default=True)
    generation = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "crm_service_accounts"
        constraints = [
            models.UniqueConstraint(fields=["name"], name="service_account_name_unique"),
            models.CheckConstraint(
                condition=models.Q(scopes__contained_by=[scope.value for scope in Scope]),
                name="service_account_scopes_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name
