"""Every text that went to or came from a phone, in one file that only grows.

One JSON object a line: a message, a status of one, or the mark that those of a provider were deleted. Nothing is
flushed to the disk: a killed process loses nothing, a power cut may lose the tail, and a torn last line is cut off.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

FILE_NAME = "phone-messages.jsonl"


@dataclass(slots=True)
class PhoneMessage:
    """`number` is the client's, `business` ours; `inbound`: the client wrote it. `fields` is what the provider was
    given, as it was given; `statuses` in the order in which the message reached them."""

    id: int
    provider: str
    channel: str
    inbound: bool
    number: str
    business: str
    provider_id: str
    text: str
    at: datetime
    fields: Mapping[str, Any]
    statuses: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "provider": self.provider,
            "channel": self.channel,
            "direction": "inbound" if self.inbound else "outbound",
            "from": self.number if self.inbound else self.business,
            "to": self.business if self.inbound else self.number,
            "provider_id": self.provider_id,
            "text": self.text,
            "at": self.at.isoformat().replace("+00:00", "Z"),
            "statuses": list(self.statuses),
            "fields": dict(self.fields),
        }


class Ledger:
    """Ids rise by one and never repeat in a directory, also across `clear`. Belongs to one event loop."""

    def __init__(self, state_dir: Path) -> None:
        self.messages: dict[int, PhoneMessage] = {}
        self._last_id = 0
        path = state_dir / FILE_NAME
        self._load(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "a", encoding="utf-8")

    def close(self) -> None:
        self._file.close()

    def add(self, **values: Any) -> PhoneMessage:
        """Keeps one message and returns it with its id."""
        self._last_id += 1
        message = PhoneMessage(id=self._last_id, **values)
        self.messages[message.id] = message
        self._write({"message": vars_of(message)})
        return message

    def note_status(self, message: PhoneMessage, status: str) -> None:
        message.statuses.append(status)
        self._write({"status": status, "id": message.id})

    def find(self, wanted: Callable[[PhoneMessage], bool]) -> list[PhoneMessage]:
        """Oldest first."""
        return [message for message in self.messages.values() if wanted(message)]

    def clear(self, provider: str) -> int:
        """Forgets what went over one provider; returns how many that were."""
        gone = self.find(lambda message: message.provider == provider)
        for message in gone:
            del self.messages[message.id]
        self._write({"cleared": provider, "last_id": self._last_id})
        return len(gone)

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def _load(self, path: Path) -> None:
        if not path.exists():
            return
        whole = 0
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                self._read(json.loads(line))
        os.truncate(path, whole)

    def _read(self, line: Mapping[str, Any]) -> None:
        if "message" in line:
            values = line["message"] | {"at": datetime.fromisoformat(line["message"]["at"])}
            message = PhoneMessage(**values)
            self.messages[message.id] = message
            self._last_id = message.id
        elif "status" in line:
            if line["id"] in self.messages:
                self.messages[line["id"]].statuses.append(line["status"])
        else:
            self._last_id = line["last_id"]
            for message in self.find(lambda each: each.provider == line["cleared"]):
                del self.messages[message.id]


def vars_of(message: PhoneMessage) -> dict[str, Any]:
    values = {name: getattr(message, name) for name in PhoneMessage.__slots__}
    return values | {"at": message.at.isoformat(), "statuses": list(message.statuses)}
