"""What lost workers left behind: first their journals, then their leases, then what stays in doubt."""

from datetime import datetime

from django.db import InterfaceError, OperationalError, transaction

from communications.choices import AttentionKind
from communications.services import outcomes
from communications.services.doubts import settle_doubts
from communications.services.journal import JournalLine, LostJournal, lost_journals, set_aside
from communications.services.queue import release_lapsed
from core import attention
from core.logs import get_logger

log = get_logger("reconcile")


def reconcile(*, actor: str, now: datetime) -> int:
    """Replay the journals of workers that are gone, release what they had claimed, and settle what stays in doubt.

    Returns rows released. Every worker may run it at any time; doing it twice changes nothing.
    """
    for lost in lost_journals():
        _replay(lost, actor, now)
    released = release_lapsed(actor=actor, now=now)
    settle_doubts(actor=actor, now=now)
    return released


def _replay(lost: LostJournal, actor: str, now: datetime) -> None:
    refused = [line for line in lost.lines if not _store(line, actor, now)]
    kept = set_aside(lost, refused)
    if kept is not None:
        log.error("journal lines set aside", count=len(refused) + len(lost.rejected))
        attention.raise_item(
            kind=AttentionKind.JOURNAL_REJECTED,
            dedupe_key=kept.name,
            target=f"journal:{kept.stem}",
            details={},
            now=now,
        )
    log.info("journal replayed", count=len(lost.lines) - len(refused))


def _store(line: JournalLine, actor: str, now: datetime) -> bool:
    """False for a line that cannot be stored, whatever the reason, so that it never blocks the rest.

    An unreachable database raises: then the file stays for the next sweep.
    """
    try:
        with transaction.atomic():
            unknown = outcomes.record(ended=[outcomes.Ended(line=line)], actor=actor, now=now)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("journal line refused", communication_id=str(line.communication_id))
        return False
    return not unknown
