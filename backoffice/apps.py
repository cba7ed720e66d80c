from django.apps import AppConfig
from django.db.models.signals import post_migrate


class BackofficeConfig(AppConfig):
    """Listed last of ours: by the time its post_migrate is sent, every permission is there."""

    name = "backoffice"

    def ready(self) -> None:
        from backoffice.roles import write_roles

        post_migrate.connect(write_roles, sender=self, dispatch_uid="backoffice.roles")
