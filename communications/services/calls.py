"""Making the calls that the fence let through, from a pool of threads, each outcome journalled at once."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from communications.choices import OutcomeClass
from communications.connectors.base import Connector, Outcome, OutgoingMessage
from communications.services.journal import Journal, JournalLine
from core.logs import get_logger

log = get_logger("dispatch")

MUST_BEGIN_WITHIN_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Call:
    """One fenced call: everything a thread needs, and nothing of the database."""

    communication_id: UUID
    attempt_number: int
    message: OutgoingMessage


@dataclass(frozen=True)
class CallEnd:
    """How a call ended. `text` is the provider's own words; it is sealed before it is stored, never journalled."""

    line: JournalLine
    text: str
    journalled: bool = True


def boot_seconds() -> float:
    """A clock that also counts while the machine sleeps: a fence passed before a suspend is not fresh after it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Flight:
    """The calls of one group, made side by side. Begun at once; `land` waits for their ends."""

    def __init__(self, ends: Sequence[Future[CallEnd]]) -> None:
        self._ends = ends

    def wait(self, seconds: float | None = None) -> bool:
        """True once every call has ended and stands in the journal."""
        return not wait(self._ends, seconds).not_done

    def land(self) -> list[CallEnd]:
        return [end.result() for end in self._ends]


def take_off(
    *,
    calls: Sequence[Call],
    connector: Connector,
    threads: ThreadPoolExecutor,
    journal: Journal,
    fenced_at: float,
    now: Callable[[], datetime],
) -> Flight:
    """Begin the calls. `fenced_at` is `boot_seconds()` from before the fence."""

    def make(call: Call) -> CallEnd:
        end = _make(call, connector, fenced_at, now)
        try:
            journal.append(end.line)
        except OSError:
            # A full disk must not hide what the provider said: the database is told in a moment.
            log.critical("journal not written", communication_id=str(call.communication_id))
            return replace(end, journalled=False)
        return end

    return Flight([threads.submit(make, call) for call in calls])


def _make(call: Call, connector: Connector, fenced_at: float, now: Callable[[], datetime]) -> CallEnd:
    if boot_seconds() - fenced_at > MUST_BEGIN_WITHIN_SECONDS:
        return _end(call, None, now())
    try:
        outcome = connector.send(call.message)
    except Exception as error:
        # A connector that raises is a bug of ours, and the call may have gone through: never repeat it blindly.
        log.exception("connector raised", provider=connector.name, error=error)
        outcome = Outcome(OutcomeClass.AMBIGUOUS, code=type(error).__name__)
    return _end(call, outcome, now())


def _end(call: Call, outcome: Outcome | None, at: datetime) -> CallEnd:
    retry_after = outcome.retry_after if outcome else None
    line = JournalLine(
        communication_id=call.communication_id,
        attempt_id=call.message.attempt_id,
        attempt_number=call.attempt_number,
        outcome_class=outcome.outcome_class if outcome else None,
        code=outcome.code if outcome else "",
        provider_message_id=outcome.provider_message_id if outcome else "",
        retry_after_seconds=retry_after.total_seconds() if retry_after else None,
        at=at,
    )
    return CallEnd(line, outcome.text if outcome else "")
