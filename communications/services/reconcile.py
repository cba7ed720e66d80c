"""What lost workers left behind: first their journals, then their leases."""

from django.db import DataError, IntegrityError, transaction

from communications.services import outcomes
from communications.services.journal import JournalLine, LostJournal, lost_journals, set_aside
from communications.services.queue import release_lapsed
from core import attention, clock
from core.logs import get_logger

log = get_logger("reconcile")


def reconcile(*, actor: str) -> int:
    """Replay the journals of workers that are gone, then release what they had claimed; returns rows released.

    Every worker may run it at any time; replaying and releasing twice changes nothing.
    """
    for lost in lost_journals():
        _replay(lost, actor)
    return release_lapsed(actor=actor)


def _replay(lost: LostJournal, actor: str) -> None:
    refused = [line for line in lost.lines if not _store(line, actor)]
    kept = set_aside(lost, refused)
    if kept is not None:
        log.error("journal_lines_set_aside", count=len(refused) + len(lost.rejected))
        attention.raise_item(
            kind="journal_rejected",
            dedupe_key=kept.name,
            target=f"journal:{kept.stem}",
            details={},
            now=clock.now(),
        )
    log.info("journal_replayed", count=len(lost.lines) - len(refused))


def _store(line: JournalLine, actor: str) -> bool:
    """False for a line that the database will not take, so that it never blocks the rest. An unreachable
    database raises: then the file stays for the next sweep."""
    try:
        with transaction.atomic():
            unknown = outcomes.record(ended=[outcomes.Ended(line=line)], actor=actor, now=clock.now())
    except (DataError, IntegrityError):
        log.exception("journal_line_refused", communication_id=str(line.communication_id))
        return False
    return not unknown
