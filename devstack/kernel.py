"""What we ask of the operating system about processes: who lives, since when, and who dies with whom."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

IS_LINUX = sys.platform.startswith("linux")
SOCKET_PATH_LIMIT_BYTES = 103  # sun_path less its closing NUL: 107 by unix(7), 103 on macOS
_PR_SET_PDEATHSIG = 1  # prctl(2)
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True) if IS_LINUX else None


def die_with_parent(signal_number: int) -> Callable[[], None]:
    """A `preexec_fn` that makes the kernel send `signal_number` to the child when its parent dies.

    Runs after the change of account, which would clear the setting. On other systems it does nothing: there
    the guardian and the clean-up at the next start have to do.
    """
    parent = os.getpid()

    def arrange() -> None:
        if _libc is None:
            return
        _libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os.kill(os.getpid(), signal.SIGKILL)

    return arrange


def adopt_orphans() -> None:
    """From now on descendants whose parent dies become children of this process (Linux)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def started_at(pid: int) -> str:
    """When a process started, as a text that tells it from a later one with the same id; '' if it is gone."""
    if IS_LINUX:
        fields = _stat_fields(pid)
        return f"{_boot_id()}/{fields[19]}" if fields else ""
    answer = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip()


def is_same_process(pid: int, start: str) -> bool:
    """Whether the process that started then still lives. A zombie does not."""
    if not start or started_at(pid) != start:
        return False
    fields = _stat_fields(pid)
    return not (fields and fields[0] in {"Z", "X"})


def group_lives(group: int) -> bool:
    """Whether a process group has a member that is more than a zombie."""
    if IS_LINUX:
        return any(int(fields[2]) == group and fields[0] != "Z" for _, fields in _all_stats())
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def signal_group(group: int, signal_number: int) -> None:
    """Sends to a whole process group; one that is gone is fine. Refuses the groups 0 and 1."""
    if group <= 1:
        raise ValueError(f"{group} is not the group of a child")
    try:
        os.killpg(group, signal_number)
    except (ProcessLookupError, PermissionError):
        return


def children_of(pid: int) -> list[int]:
    """The direct children of a process, zombies included. Linux only; elsewhere nothing is found."""
    return [child for child, fields in _all_stats() if int(fields[1]) == pid]


def pids_with_environment(name: str, value: str) -> list[int]:
    """Live processes that were started with this variable. Linux only; elsewhere nothing is found."""
    wanted = f"{name}={value}".encode()
    found = []
    for pid, fields in _all_stats():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:  # ended meanwhile, or somebody else's
            continue
        if fields[0] != "Z" and wanted in environment.split(b"\0"):
            found.append(pid)
    return found


def _all_stats() -> Iterator[tuple[int, list[str]]]:
    if not IS_LINUX:
        return
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _stat_fields(int(entry))
            if fields:
                yield int(entry), fields


def _stat_fields(pid: int) -> list[str] | None:
    """proc(5), /proc/PID/stat from field 3 on: state, ppid, pgrp, session, …; field 22 is the start time."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
