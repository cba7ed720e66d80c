"""Clears what a run left behind when its guardian was killed, alone or together with the run."""

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from devstack.kernel import group_lives, is_same_process, pids_with_environment, signal_group, started_at
from devstack.state import RUNNING, TRANSIENT, State

POLITE_SECONDS = 8.0
KILLED_ENDS_WITHIN_SECONDS = 3.0
MARK = "CRM_DEVSTACK_RUN"  # in the environment of every program and, by inheritance, of all that it starts


def record_path(state: State) -> Path:
    """Where the guardian writes what runs."""
    return state.run / "processes.json"


def clear_leftovers(state: State) -> list[str]:
    """Stops what the last record names and returns the names of what was alive.

    To be called with the state lock held and no guardian: then nothing that is in the record belongs to a live run.
    """
    record = record_path(state)
    alive = _stop(_read(record))
    record.unlink(missing_ok=True)
    for path in (Path(text) for text in state.read("temporary") or []):
        shutil.rmtree(path, ignore_errors=True)
    state.remove("temporary")
    state.remove(RUNNING)
    for path in state.run.glob(f"*{TRANSIENT}"):
        path.unlink()
    return alive


def _read(record: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {"mark": "", "programs": []}
    return content


def _stop(content: dict[str, Any]) -> list[str]:
    programs = [entry for entry in content["programs"] if _is_ours(entry["pid"], entry["started_at"])]
    groups = [entry["pid"] for entry in programs]
    for number, seconds in ((signal.SIGTERM, POLITE_SECONDS), (signal.SIGKILL, KILLED_ENDS_WITHIN_SECONDS)):
        for group in groups:
            signal_group(group, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(group_lives(group) for group in groups):
            time.sleep(0.05)
    for pid in pids_with_environment(MARK, content["mark"]) if content["mark"] else ():
        os.kill(pid, signal.SIGKILL)
    return [entry["name"] for entry in programs]


def _is_ours(leader: int, start: str) -> bool:
    """The leader lives, or it is gone and its group is not: the kernel gives no new process a group's id."""
    if is_same_process(leader, start):
        return True
    same_boot = start.partition("/")[0] == started_at(os.getpid()).partition("/")[0]
    return same_boot and started_at(leader) in {"", start} and group_lives(leader)
