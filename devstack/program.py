"""What the guardian is asked to start: the message between the supervisor and the guardian."""

import signal
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

TIER_DATA = 0
TIER_SERVICE = 1
TIER_TASK = 2


@dataclass(frozen=True)
class Account:
    """Whom a program runs as, when that is not us."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Program:
    """One process to run. Higher tiers are stopped first, and a tier has ended before the next is asked."""

    name: str
    argv: list[str]
    env: dict[str, str]
    cwd: Path
    log: Path | None = None
    """Where its output is appended; None: our own output and input."""
    stop_signal: int = signal.SIGTERM
    grace_seconds: float = 8.0
    """How long it may take to stop before its whole group is killed."""
    tier: int = TIER_SERVICE
    account: Account | None = None
    stdin: str = ""
    """What it reads, when it has a log."""

    def to_message(self) -> dict[str, Any]:
        return asdict(self) | {"cwd": str(self.cwd), "log": str(self.log) if self.log else None}

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> "Program":
        account = message["account"]
        return cls(
            **message
            | {
                "cwd": Path(message["cwd"]),
                "log": Path(message["log"]) if message["log"] else None,
                "account": Account(**account) if account else None,
            }
        )


@dataclass
class Ended:
    """How a program ended: its exit code, or minus the number of the signal that ended it."""

    code: int
    output: str = field(default="")
