import sys
from argparse import ArgumentParser
from datetime import datetime
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from communications.choices import MessageType, Status
from communications.services.requeueing import ACTION_OF, Requeued, RequeueFilters, requeue
from core import clock
from core.choices import Channel

ACTOR: Final = "system:requeue"
_SAMPLE: Final = 10
_RISK: Final = "Nobody knows whether those in doubt arrived: each of them may arrive twice."


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("no offset")
    return instant


_instant.__name__ = "time; write 2026-12-15T09:00+05:30, with its offset from UTC"


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("too small")
    return number


_count.__name__ = "number of 1 or more"


class Command(BaseCommand):
    help = (
        "Puts failed communications, or those in doubt, back into the queue, the oldest first. What would not be sent "
        "(too old, erased, no address or consent, repeated by a newer request) stays as it is and is counted. It may "
        "be interrupted and run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("--status", choices=[status.value for status in ACTION_OF], default=Status.FAILED.value)
        add("--channel", choices=[channel.value for channel in Channel])
        add("--message-type", choices=[each.value for each in MessageType])
        add("--plan", metavar="REFERENCE", help="Of this plan only.")
        add("--client", metavar="REFERENCE", help="Of this client only.")
        add("--since", type=_instant, metavar="TIME", help="Failed, or last called, at this time or later.")
        add("--until", type=_instant, metavar="TIME", help="Failed, or last called, before this time.")
        add("--code", help="How the provider's code begins, as 451 or '550 5.1'.")
        add("--limit", type=_count, metavar="NUMBER", help="So many at most.")
        add("--dry-run", action="store_true", help="Only counts, and names some of them.")
        add("--yes", action="store_true", help="Does not ask.")

    def handle(self, *_args: Any, **options: Any) -> None:
        filters = self._filters(options)
        limit, now = options["limit"], clock.now()
        if options["dry_run"]:
            self._report(self._run(filters, limit, now, dry_run=True), "would be put back", sample=True)
            return
        if not options["yes"]:
            would = self._run(filters, limit, now, dry_run=True)
            self._report(would, "would be put back", sample=True)
            if not would.put_back:
                return
            self._confirm(filters.status)
        self._report(self._run(filters, limit, now, dry_run=False), "put back")

    def _filters(self, options: dict[str, Any]) -> RequeueFilters:
        channel, message_type = options["channel"], options["message_type"]
        return RequeueFilters(
            status=Status(options["status"]),
            channel=Channel(channel) if channel else None,
            message_type=MessageType(message_type) if message_type else None,
            plan_reference=options["plan"],
            client_reference=options["client"],
            since=options["since"],
            until=options["until"],
            code=options["code"],
        )

    def _run(self, filters: RequeueFilters, limit: int | None, now: datetime, *, dry_run: bool) -> Requeued:
        total = Requeued()
        if filters.status is Status.IN_DOUBT:
            self.stderr.write(_RISK)
        batches = requeue(filters=filters, limit=limit, actor=ACTOR, now=now, dry_run=dry_run)
        for batch in batches:
            total.put_back += batch.put_back
            total.left += batch.left
            if not dry_run:
                self.stdout.write(f"{total.seen} looked at, {len(total.put_back)} put back")
        return total

    def _confirm(self, status: Status) -> None:
        if not sys.stdin.isatty():
            raise CommandError("Nobody can be asked here. Add --yes to put them back.")
        question = (
            "Put them back, although they may arrive twice?"
            if status is Status.IN_DOUBT
            else "Put them back?"
        )
        if input(f"{question} Write yes: ").strip().lower() != "yes":
            raise CommandError("Nothing was put back.")

    def _report(self, done: Requeued, what: str, *, sample: bool = False) -> None:
        self.stdout.write(f"{len(done.put_back)} {what}.")
        if sample:
            for reference in done.put_back[:_SAMPLE]:
                self.stdout.write(f"  communication {reference}")
            if len(done.put_back) > _SAMPLE:
                self.stdout.write(f"  and {len(done.put_back) - _SAMPLE} more")
        for (code, sentence), count in done.left.most_common():
            self.stdout.write(f"{count} left as they are ({code}): {sentence}")
