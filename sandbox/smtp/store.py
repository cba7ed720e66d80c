"""Caught mails in one file that only grows, with 12 bytes of memory for each.

A record is a line `M <length of the facts> <length of the mail>`, the facts as JSON, the mail byte for byte,
and a newline. `C` instead of `M` marks that everything before was deleted, and keeps the numbering. Nothing
is flushed to the disk: a killed process loses nothing, a power cut may lose the tail. A torn tail is cut off
at the next start.
"""

import fcntl
import json
import os
import re
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

FILE_NAME = "smtp-messages.log"
MAX_HEADER_BYTES = 64 * 1024

_PREFIX = re.compile(rb"([MC]) {1,10}([0-9]{1,10}) {1,10}([0-9]{1,10})\n")
_PREFIX_BYTES = 24
_MESSAGE_ID = re.compile(rb"^message-id:(?:[ \t]|\r?\n[ \t])*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_END_OF_HEADER = re.compile(rb"(?:^|\r?\n)\r?\n")


class StateInUseError(Exception):
    """Another process keeps its mails in this directory."""


@dataclass(frozen=True, slots=True)
class Caught:
    """`sender` and `recipients` are the envelope's; `message_id` is the header's, with <>."""

    id: int
    sender: str
    recipients: tuple[str, ...]
    message_id: str
    received_at: datetime
    size_bytes: int


class MessageStore:
    """Ids rise by one and never repeat in a directory, also across `clear`. Not safe for several threads."""

    def __init__(self, state_dir: Path) -> None:
        state_dir.mkdir(parents=True, exist_ok=True)
        self._first_id = 1
        self._offsets = array("Q")
        self._id_hashes = array("I")
        self._end = 0
        self._file = os.open(state_dir / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock(state_dir)
            self._load()
        except BaseException:
            os.close(self._file)
            raise

    def _lock(self, state_dir: Path) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateInUseError(
                f"Another sandbox is using {state_dir}. Stop it, or give this one a directory of its own."
            ) from None

    def close(self) -> None:
        os.close(self._file)

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def first_id(self) -> int:
        return self._first_id

    @property
    def next_id(self) -> int:
        return self._first_id + len(self._offsets)

    def append(self, *, sender: str, recipients: Sequence[str], raw: bytes, now: datetime) -> int:
        """Keeps one mail and returns its id. OSError (disk full) leaves the file as it was."""
        message_id = find_message_id(raw)
        facts = {"from": sender, "to": list(recipients), "message_id": message_id, "at": now.isoformat()}
        self._write(b"M", json.dumps(facts).encode(), raw)
        self._id_hashes.append(_hash(message_id))
        return self.next_id - 1

    def clear(self) -> None:
        """Forgets every mail. Safe to kill at any point: behind the mark everything is a torn tail."""
        next_id = self.next_id
        self._end = 0
        self._offsets, self._id_hashes = array("Q"), array("I")
        self._write(b"C", json.dumps({"next_id": next_id}).encode(), b"")
        self._first_id = next_id

    def get(self, number: int) -> Caught | None:
        found = self._record(number)
        return None if found is None else _caught(number, *found[:2])

    def raw(self, number: int, *, limit: int | None = None) -> bytes | None:
        """The mail byte for byte, or its first `limit` bytes."""
        found = self._record(number)
        if found is None:
            return None
        _, size, offset = found
        return self._read(offset, size if limit is None else min(limit, size))

    def ids(self, *, since: int = 0, message_id: str | None = None) -> Iterator[int]:
        """Ids above `since`, oldest first; what arrives or goes while one iterates is respected."""
        number = max(since + 1, self._first_id)
        while number < self.next_id:
            if message_id is None:
                yield number
            else:
                number = self._next_with(message_id, number)
                if number:
                    yield number
                else:
                    return
            number = max(number + 1, self._first_id)

    def _next_with(self, message_id: str, number: int) -> int:
        """The first id from `number` on with this Message-ID (with or without <>), or 0."""
        wanted = message_id.strip("<>")
        while number < self.next_id:
            try:
                number = self._first_id + self._id_hashes.index(_hash(wanted), number - self._first_id)
            except ValueError:
                return 0
            caught = self.get(number)
            if caught and caught.message_id.strip("<>") == wanted:
                return number
            number += 1
        return 0

    def _write(self, kind: bytes, facts: bytes, raw: bytes) -> None:
        record = b"%b %10d %10d\n%b%b\n" % (kind, len(facts), len(raw), facts, raw)
        rest = memoryview(record)
        offset = self._end
        try:
            while rest:
                written = os.pwrite(self._file, rest, offset)
                offset += written
                rest = rest[written:]
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        if kind == b"M":
            self._offsets.append(self._end)
        else:
            os.ftruncate(self._file, offset)
        self._end = offset

    def _read(self, offset: int, size: int) -> bytes:
        pieces = []
        while size > 0 and (piece := os.pread(self._file, size, offset)):
            pieces.append(piece)
            offset += len(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _record(self, number: int) -> tuple[bytes, int, int] | None:
        """(facts, size of the mail, where it starts) of a kept mail."""
        position = number - self._first_id
        if not 0 <= position < len(self._offsets):
            return None
        offset = self._offsets[position]
        found = self._prefix(offset)
        if found is None:
            raise OSError(f"The record of message {number} is damaged")
        _, facts_size, size = found
        start = offset + _PREFIX_BYTES
        return self._read(start, facts_size), size, start + facts_size

    def _prefix(self, offset: int) -> tuple[bytes, int, int] | None:
        match = _PREFIX.fullmatch(self._read(offset, _PREFIX_BYTES))
        return (match[1], int(match[2]), int(match[3])) if match else None

    def _load(self) -> None:
        file_size = os.fstat(self._file).st_size
        while (found := self._prefix(self._end)) is not None:
            kind, facts_size, size = found
            start = self._end + _PREFIX_BYTES
            following = start + facts_size + size + 1
            if following > file_size or self._read(following - 1, 1) != b"\n":
                break
            facts = json.loads(self._read(start, facts_size))
            if kind == b"C":
                self._first_id = facts["next_id"]
            else:
                self._offsets.append(self._end)
                self._id_hashes.append(_hash(facts["message_id"]))
            self._end = following
        os.ftruncate(self._file, self._end)


def find_message_id(raw: bytes) -> str:
    """The Message-ID header, or "" when there is none; the only thing read from a mail while it arrives."""
    head = raw[:MAX_HEADER_BYTES]
    end = _END_OF_HEADER.search(head)
    match = _MESSAGE_ID.search(head, 0, end.start() if end else len(head))
    return match[1].strip().decode("utf-8", "replace") if match else ""


def _hash(message_id: str) -> int:
    return zlib.crc32(message_id.strip("<>").encode("utf-8", "replace"))


def _caught(number: int, facts: bytes, size: int) -> Caught:
    known = json.loads(facts)
    received_at = datetime.fromisoformat(known["at"])
    return Caught(number, known["from"], tuple(known["to"]), known["message_id"], received_at, size)
