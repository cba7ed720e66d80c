"""What `manage.py check --deploy` asks for beyond Django's own list."""

from typing import Any

from django.conf import settings
from django.core import checks


def state_dir_is_persistent(**_: Any) -> list[checks.CheckMessage]:
    """Journals hold outcomes that the database has not confirmed: lost with a container, they leave messages in
    doubt that a persistent volume would have told apart."""
    if not settings.CRM_STATE_DIR.is_relative_to(settings.BASE_DIR):
        return []
    return [
        checks.Warning(
            "CRM_STATE_DIR lies inside the program's own folder.",
            hint="Set it to a folder on a persistent volume that all workers of this machine share.",
            id="crm.W001",
        )
    ]
