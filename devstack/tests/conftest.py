"""Runs of the supervisor in processes of their own, because that is what gets killed."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devstack.kernel import started_at
from devstack.supervisor import ROOT

READY_WITHIN_SECONDS = 60.0
STOPS_WITHIN_SECONDS = 40.0


def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    """Polls until the condition holds; the last answer when the time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return condition()
        time.sleep(0.05)
    return True


@dataclass
class Run:
    """One process that runs the supervisor, and what it said it started."""

    process: "subprocess.Popen[str]"
    state: Path
    marker: str

    def wait_until_ready(self) -> dict[str, int]:
        """The ids of everything it started, by name."""
        line = self.process.stdout.readline()
        assert line, f"ended early with {self.process.wait()}: {self.process.stderr.read()}"
        return json.loads(line)

    def left_over(self) -> list[int]:
        """Live processes that carry this run's marker in their environment or work in its state folder."""
        return sorted(pid for pid in _all_pids() if _belongs_to(pid, self.marker, self.state))

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.process.wait(STOPS_WITHIN_SECONDS)
        return self.process.returncode

    def leaves_nothing(self) -> bool:
        return eventually(lambda: not self.left_over(), STOPS_WITHIN_SECONDS)


def _all_pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _belongs_to(pid: int, marker: str, state: Path) -> bool:
    """By environment (ours and all that inherits it), by command line (the guardian, the servers) or by folder
    (PostgreSQL's children, which write their title over both)."""
    if not started_at(pid) or pid == os.getpid():
        return False
    try:
        own = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("environ", "cmdline")]
        folder = os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return False
    needles = (marker.encode(), os.fsencode(state))
    return any(needle in text for needle in needles for text in own) or folder.startswith(str(state))


@pytest.fixture
def state_folder() -> Iterator[Path]:
    """Short and open to everybody, unlike pytest's own temporary folders."""
    with tempfile.TemporaryDirectory(prefix="crm-t-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "s"


@pytest.fixture
def start_run(state_folder: Path) -> Iterator[Callable[..., Run]]:
    """Starts `devstack/tests/small_stack.py` for a state folder: PostgreSQL, Valkey and a child with grandchildren."""
    runs: list[Run] = []

    def start(state: Path = state_folder) -> Run:
        marker = f"CRM_TEST_MARKER={state}-{len(runs)}"
        name, _, value = marker.partition("=")
        kept = {key: text for key, text in os.environ.items() if key not in {"DATABASE_URL", "REDIS_URL"}}
        process = subprocess.Popen(
            [sys.executable, "-m", "devstack.tests.small_stack", str(state)],
            cwd=ROOT,
            env={**kept, name: value, "CRM_STATE_DIR": str(state)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        runs.append(Run(process, state, marker))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
        run.process.communicate()
    assert all(run.leaves_nothing() for run in runs)
