"""The state folder: what a second run must find again, and the lock that lets only one run use it."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack.errors import StackError
from devstack.kernel import is_same_process, started_at

RUNNING = "running"  # how to reach what is up: for commands beside it
TRANSIENT = ".output"  # what a command wrote, read once; may hold a secret
EARLIER_RUN_STOPS_WITHIN_SECONDS = 45.0


@dataclass(frozen=True)
class State:
    """Paths below `CRM_STATE_DIR`. Everything in it belongs to one installation and goes when it goes."""

    root: Path

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Sockets, pid and schedule files: of no use once everything has stopped."""
        return self.root / "run"

    def prepare(self) -> None:
        """Makes the folders. Root's state folder may be walked through (0711), because the PostgreSQL server
        runs as another account there; what is private in it has its own mode."""
        passable = 0o711 if os.geteuid() == 0 else 0o700
        try:
            for folder, mode in ((self.root, passable), (self.logs, 0o700), (self.run, passable)):
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(mode)
        except OSError as error:
            raise StackError(
                f"The state folder {self.root} cannot be used ({error.strerror}). "
                "Set CRM_STATE_DIR to a folder that you own."
            ) from None

    def make_private_file(self, name: str) -> Path:
        """An empty file that only we can read."""
        path = self.run / name
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        return path

    def read(self, name: str) -> Any:
        """The content of NAME.json, or None when there is none."""
        path = self.root / f"{name}.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StackError(
                f"{path} cannot be read ({error}). Restore it, or start with an empty state folder."
            ) from None

    def write(self, name: str, content: Any) -> None:
        """Replaces NAME.json in one step, readable by its owner only."""
        path = self.root / f"{name}.json"
        draft = path.with_suffix(f".{os.getpid()}.draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def remove(self, name: str) -> None:
        (self.root / f"{name}.json").unlink(missing_ok=True)


class StateLock:
    """Held by a run and its guardian together, so it is free only when all has stopped."""

    def __init__(self, state: State) -> None:
        self._path = state.root / "lock"
        self.descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acquire(self, on_wait: Callable[[], None]) -> None:
        """Takes the lock. If its owner lives: StackError. If only a guardian that still tidies up holds it:
        calls `on_wait` once and waits."""
        deadline = time.monotonic() + EARLIER_RUN_STOPS_WITHIN_SECONDS
        announced = False
        while not self._try():
            owner = _owner(self.descriptor)
            if owner is not None:
                raise StackError(
                    f"Already running from this state folder ({self._path.parent}) as process {owner}. "
                    f"Stop it first (Ctrl-C there, or `kill {owner}`), or set CRM_STATE_DIR to another "
                    f"folder."
                )
            if time.monotonic() > deadline:
                raise StackError(
                    f"An earlier run does not finish stopping; see {self._path.parent / 'logs'}."
                )
            if not announced:
                on_wait()
                announced = True
            time.sleep(0.1)
        os.truncate(self.descriptor, 0)
        os.pwrite(self.descriptor, f"{os.getpid()} {started_at(os.getpid())}".encode(), 0)

    def announce_stop(self) -> None:
        """A run that begins meanwhile waits for the lock instead of refusing to start."""
        os.truncate(self.descriptor, 0)

    def close(self) -> None:
        os.close(self.descriptor)

    def _try(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def is_in_use(state: State) -> bool:
    """Whether a run lives that holds the lock. A guardian that only tidies up after its run does not count."""
    try:
        with (state.root / "lock").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _owner(file.fileno()) is not None
    except FileNotFoundError:
        return False
    return False


def _owner(lock: int) -> int | None:
    """The process id of the run that wrote its name into the lock file, None when that run is gone."""
    pid, _, start = os.pread(lock, 100, 0).decode().partition(" ")
    return int(pid) if pid.isdigit() and is_same_process(int(pid), start) else None


def keep_ports(state: State, names: tuple[str, ...]) -> dict[str, int]:
    """One loopback port per name: the one of the last run while it is free, else any free one."""
    kept: dict[str, int] = state.read("ports") or {}
    ports: dict[str, int] = {}
    for name in names:
        port = kept.get(name)
        ports[name] = port if port and port not in ports.values() and _is_free(port) else _free_port(ports)
    if ports != kept:
        state.write("ports", ports)
    return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port(taken: dict[str, int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken.values():
            return port
