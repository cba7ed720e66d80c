"""`manage.py load_templates`: stores the built-in templates whose files changed. Run at every start."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from communications.services.templates import load_builtin_templates


class Command(BaseCommand):
    help = "Store the built-in message templates whose files changed, and make them active."

    def handle(self, *_args: Any, **_options: Any) -> None:
        for loaded in load_builtin_templates(now=timezone.now()):
            change = "new version" if loaded.changed else "unchanged"
            use = "" if loaded.active else "; a version made by staff stays in use"
            self.stdout.write(f"{loaded.name}: version {loaded.version.number}, {change}{use}")
