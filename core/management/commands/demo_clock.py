from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core import clock
from core.errors import CrmError
from core.wake import ring

_SWEEP_SECONDS = 5


class Command(BaseCommand):
    help = "Shows the demo's time, or moves it forward. Development only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--to", metavar="ISO", help="an instant with its UTC offset: 2026-11-21T09:00:00+05:30"
        )
        how.add_argument("--by", metavar="SECONDS", type=float)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            if options["to"] is not None:
                moment = clock.move_to(_instant(options["to"]))
            elif options["by"] is not None:
                moment = clock.move_by(timedelta(seconds=options["by"]))
            else:
                moment = clock.now()
        except CrmError as error:
            raise CommandError(error.detail) from None
        if options["to"] is not None or options["by"] is not None:
            # What became due by the move need not wait for the next sweep. Rarer tasks follow real time.
            entries = settings.CELERY_BEAT_SCHEDULE.values()
            for task in (entry["task"] for entry in entries if entry["schedule"] <= _SWEEP_SECONDS):
                ring(task)
        self.stdout.write(moment.isoformat(timespec="seconds"))


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise CommandError("--to needs an instant with its UTC offset, like 2026-11-21T09:00:00+05:30.")
    return instant
