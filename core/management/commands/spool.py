from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import spool
from core.spool_stream import StreamError


class Command(BaseCommand):
    help = "Shows what waits to be stored and what is parked, or lets parked entries wait again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("do", choices=["list", "replay"])
        parser.add_argument("ids", nargs="*", type=UUID, metavar="ID", help="For replay: parked entries.")
        parser.add_argument("--all", action="store_true", help="For replay: all that are parked.")

    def handle(self, *, do: str, ids: list[UUID], **options: Any) -> None:
        if not spool.is_configured():
            raise CommandError(
                "There is no spool: the broker's server has no streams (Redis and Valkey have)."
            )
        try:
            if do == "list":
                self._list()
            else:
                self._replay(ids, everything=options["all"])
        except (StreamError, OSError) as error:
            raise CommandError(
                "The broker's server cannot be reached. Start it, then repeat this."
            ) from error

    def _list(self) -> None:
        for entry in spool.list_entries():
            state = "parked" if entry.parked else "waits"
            self.stdout.write(f"{state:7} {entry.id}  {entry.kind}  {entry.caller}  {entry.received_at}")
        self.stdout.write(f"{spool.count_waiting()} wait, {spool.count_parked()} are parked.")

    def _replay(self, ids: list[UUID], *, everything: bool) -> None:
        if everything == bool(ids):
            raise CommandError("Name the entries to replay, or give --all.")
        replayed = spool.replay(None if everything else ids)
        self.stdout.write(f"{replayed} wait again; the next sweep stores them.")
