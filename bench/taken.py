"""What the sink has written down: one line for each message."""

import json
import time
from pathlib import Path
from typing import Any

from devstack.errors import StackError


class Taken:
    """Reads the record while it grows."""

    def __init__(self, record: Path) -> None:
        self._record = record
        self._offset = 0
        self._rest = b""
        self._at: dict[str, float] = {}

    def new_lines(self) -> list[dict[str, Any]]:
        with self._record.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def wait_for(self, address: str, *, seconds: float) -> float:
        """When the message to `address` had arrived whole (epoch seconds)."""
        deadline = time.monotonic() + seconds
        while address not in self._at:
            if time.monotonic() > deadline:
                raise StackError(f"A message did not reach the provider within {seconds:.0f} s.")
            time.sleep(0.002)
            for line in self.new_lines():
                self._at.setdefault(line["to"], line["at"])
        return self._at[address]
