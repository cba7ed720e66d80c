"""What calls ended in, on disk before anything else (engine.md §Delivery).

Each run of dispatch appends to a file of its own under `CRM_STATE_DIR/journal`, held with flock as long as it is
open. What the database has confirmed is cut off again. Files that nobody holds are replayed by whoever finds them.
Lines hold ids and codes only. They are written without fsync: a process that is killed loses nothing, a machine
that loses power puts the calls of its last moments in doubt, and never sends them again by itself.
"""

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings

from communications.choices import OutcomeClass
from core.logs import get_logger

log = get_logger("journal")

_SUFFIX = ".jsonl"
_LONGEST_WAIT_SECONDS = 366 * 24 * 3600


@dataclass(frozen=True)
class JournalLine:
    """The end of one call. `outcome_class` None: the call was never begun. Instants are the product's clock."""

    communication_id: UUID
    attempt_id: UUID
    attempt_number: int
    outcome_class: OutcomeClass | None
    code: str
    provider_message_id: str
    retry_after_seconds: float | None
    at: datetime

    def as_bytes(self) -> bytes:
        return json.dumps(asdict(self), default=str, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> "JournalLine":
        """Raises some error for what is no line of ours."""
        data = json.loads(line)
        outcome = data["outcome_class"]
        return cls(
            communication_id=UUID(data["communication_id"]),
            attempt_id=UUID(data["attempt_id"]),
            attempt_number=int(data["attempt_number"]),
            outcome_class=OutcomeClass(outcome) if outcome else None,
            code=str(data["code"]),
            provider_message_id=str(data["provider_message_id"]),
            retry_after_seconds=_seconds(data["retry_after_seconds"]),
            at=datetime.fromisoformat(data["at"]),
        )


def _seconds(value: float | None) -> float | None:
    if value is not None and not 0 <= value <= _LONGEST_WAIT_SECONDS:
        raise ValueError("no waiting time")
    return value


class Journal:
    """One file, held. Threads append; `confirm` cuts it once all that was appended is committed."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        # Locked before it gets the name that others look for, so nobody takes it for a dead worker's.
        fresh = directory / f".{uuid4().hex}.new"
        self._file = os.open(fresh, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self.path = directory / f"{os.getpid()}-{uuid4().hex}{_SUFFIX}"
        fresh.rename(self.path)
        self._lock = threading.Lock()
        self._open_lines = 0

    def append(self, line: JournalLine) -> None:
        """Raises OSError when the line could not be written whole; then nothing of it stays."""
        rest = line.as_bytes()
        with self._lock:
            start = os.fstat(self._file).st_size
            try:
                while rest:
                    rest = rest[os.write(self._file, rest) :]
            except OSError:
                os.ftruncate(self._file, start)
                raise
            self._open_lines += 1

    def confirm(self, lines: int) -> None:
        """Say that so many of the appended lines are stored in the database."""
        with self._lock:
            self._open_lines -= lines
            if self._open_lines == 0:
                os.ftruncate(self._file, 0)

    @property
    def is_confirmed(self) -> bool:
        """Whether the database has everything that was appended."""
        return self._open_lines == 0

    def close(self) -> None:
        """Lets the file go; what it still holds is left for others to replay."""
        with self._lock:
            if self._open_lines == 0:
                self.path.unlink(missing_ok=True)
            os.close(self._file)


def journal_directory() -> Path:
    return settings.CRM_STATE_DIR / "journal"


_idle: list[Journal] = []
_borrowing = threading.Lock()
# The files of the process that forked us are not ours to write to.
os.register_at_fork(after_in_child=_idle.clear)


@contextmanager
def borrowed_journal() -> Iterator[Journal]:
    """A journal of this process for one run; nobody else appends to it meanwhile. No thread may append after.

    It is kept open for the next run, unless it holds what the database does not have: then it is let go, so that
    the next sweep of any worker replays it.
    """
    with _borrowing:
        journal = _idle.pop() if _idle else None
    if journal is None:
        journal = Journal(journal_directory())
    try:
        yield journal
    finally:
        if journal.is_confirmed:
            with _borrowing:
                _idle.append(journal)
        else:
            journal.close()


def close_journals() -> None:
    """Close those that nobody uses, e.g. when the worker ends."""
    with _borrowing:
        while _idle:
            _idle.pop().close()


@dataclass
class LostJournal:
    """A dead worker's file, ours while it is open. `rejected` collects lines that are not to be lost or stored."""

    path: Path
    lines: list[JournalLine]
    rejected: list[bytes]


def lost_journals() -> Iterator[LostJournal]:
    """The journals that no living process holds, each deleted when the caller asks for the next one.

    A caller that stops or fails in between leaves the present one for the next sweep.
    """
    yield from _take_lost(journal_directory())


def _take_lost(directory: Path) -> Iterator[LostJournal]:
    for path in sorted(directory.glob(f"*{_SUFFIX}")):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue  # replayed by another worker meanwhile
        except OSError:
            log.exception("lost journal cannot be opened")
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its worker lives
            if os.fstat(file.fileno()).st_nlink == 0:
                continue
            yield _read(path, file.read())
            path.unlink(missing_ok=True)


def _read(path: Path, content: bytes) -> LostJournal:
    lost = LostJournal(path, [], [])
    for raw in content.splitlines():
        try:
            lost.lines.append(JournalLine.parse(raw))
        except Exception:
            lost.rejected.append(raw)
    return lost


def set_aside(lost: LostJournal, extra: list[JournalLine]) -> Path | None:
    """Keep what cannot be stored beside the journals, for a person; None when there is nothing."""
    kept = lost.rejected + [line.as_bytes().rstrip() for line in extra]
    if not kept:
        return None
    path = lost.path.with_suffix(".rejected")
    path.write_bytes(b"\n".join(kept) + b"\n")
    return path
