"""The parent of everything that run.py starts, so that nothing outlives run.py.

run.py can be killed at any instant, so it starts nothing itself. It asks this process, in a session of its
own, over a socket. When that socket closes, whatever the reason, the guardian stops all programs in order,
kills what does not stop within its grace period, and ends. As a subreaper it also inherits grandchildren
whose parent died, in whatever session they are, and kills those last. It shares run.py's lock on the state
folder, which is therefore free exactly when nothing runs any more.

Should the guardian itself be killed, the kernel sends every program its stop signal (Linux), run.py notices
the closed socket, and the next start clears what is left (`leftovers.py`).
"""

import json
import os
import secrets
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from devstack.kernel import adopt_orphans, children_of, die_with_parent, signal_group, started_at
from devstack.leftovers import MARK
from devstack.program import Program

KILLED_ENDS_WITHIN_SECONDS = 5.0


@dataclass
class _Child:
    program: Program
    process: subprocess.Popen[bytes]


class Guardian:
    def __init__(self, control: socket.socket, record: Path) -> None:
        self._control = control
        self._record = record
        self._mark = secrets.token_hex(16)
        self._children: dict[int, _Child] = {}
        self._to_remove: list[Path] = []
        self._received = b""
        self._stopping = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)
        wakeup, alarm = socket.socketpair()
        wakeup.setblocking(False)
        alarm.setblocking(False)
        signal.set_wakeup_fd(alarm.fileno(), warn_on_full_buffer=False)
        self._wakeup, self._alarm = wakeup, alarm
        self._selector.register(wakeup, selectors.EVENT_READ)
        # Handlers instead of SIG_IGN: programs would inherit an ignored signal.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGTERM, self._ask_to_stop)

    def serve(self) -> None:
        """Obeys until it is told to stop or run.py is gone, then stops everything."""
        while not self._stopping:
            self._wait(None)
        self._stop_everything()
        self._tell({"event": "stopped"})

    def _ask_to_stop(self, *_: object) -> None:
        self._stopping = True

    def _wait(self, timeout: float | None) -> None:
        for key, _ in self._selector.select(timeout):
            if key.fileobj is self._control:
                self._read_orders()
            else:
                self._drain_wakeup()
        self._reap()

    def _drain_wakeup(self) -> None:
        try:
            while self._wakeup.recv(4096):
                pass
        except BlockingIOError:
            return

    def _read_orders(self) -> None:
        try:
            data = self._control.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self._selector.unregister(self._control)
            self._stopping = True
            return
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))

    def _obey(self, order: dict[str, Any]) -> None:
        if order["do"] == "stop":
            self._stopping = True
        elif order["do"] == "remove_at_end":
            self._to_remove.append(Path(order["path"]))
        elif order["do"] == "signal":
            for pid, child in self._children.items():
                if child.program.name == order["name"]:
                    signal_group(pid, order["signal"])
        elif order["do"] == "start" and not self._stopping:
            self._start(Program.from_message(order["program"]))

    def _start(self, program: Program) -> None:
        try:
            process = _spawn(replace(program, env={**program.env, MARK: self._mark}))
        except OSError as error:
            self._tell({"event": "failed", "name": program.name, "error": str(error)})
            return
        self._children[process.pid] = _Child(program, process)
        self._write_record()
        self._tell({"event": "started", "name": program.name, "pid": process.pid})

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is None:  # an orphan we had adopted
                continue
            signal_group(pid, signal.SIGKILL)  # what it left behind in its group
            child.process.returncode = os.waitstatus_to_exitcode(status)
            self._write_record()
            self._tell({"event": "ended", "name": child.program.name, "code": child.process.returncode})

    def _stop_everything(self) -> None:
        for tier in sorted({child.program.tier for child in self._children.values()}, reverse=True):
            self._stop_tier(tier)
        self._kill_orphans()
        for path in self._to_remove:
            shutil.rmtree(path, ignore_errors=True)
        self._record.unlink(missing_ok=True)

    def _stop_tier(self, tier: int) -> None:
        members = {pid: child.program for pid, child in self._children.items() if child.program.tier == tier}
        for pid, program in members.items():
            os.kill(pid, program.stop_signal)
        deadline = time.monotonic() + max((program.grace_seconds for program in members.values()), default=0)
        self._wait_for_end(set(members), deadline)
        for pid in members.keys() & self._children.keys():
            signal_group(pid, signal.SIGKILL)
        self._wait_for_end(set(members), time.monotonic() + KILLED_ENDS_WITHIN_SECONDS)

    def _wait_for_end(self, pids: set[int], deadline: float) -> None:
        while pids & self._children.keys() and (left := deadline - time.monotonic()) > 0:
            self._wait(min(left, 1.0))

    def _kill_orphans(self) -> None:
        """Each one killed hands us its own children, so this repeats until there are none."""
        deadline = time.monotonic() + KILLED_ENDS_WITHIN_SECONDS
        while (orphans := children_of(os.getpid())) and time.monotonic() < deadline:
            for pid in orphans:
                os.kill(pid, signal.SIGKILL)
            self._wait(0.05)

    def _write_record(self) -> None:
        programs = [
            {"name": child.program.name, "pid": pid, "started_at": started_at(pid)}
            for pid, child in self._children.items()
        ]
        draft = self._record.with_suffix(".draft")
        draft.write_text(json.dumps({"mark": self._mark, "programs": programs}), encoding="utf-8")
        draft.replace(self._record)

    def _tell(self, event: dict[str, Any]) -> None:
        try:
            self._control.sendall(json.dumps(event).encode() + b"\n")
        except OSError:  # run.py is gone; the closed socket tells us so
            return


def _spawn(program: Program) -> "subprocess.Popen[bytes]":
    if program.log is None:
        return _popen(program, {})
    with tempfile.TemporaryFile() as stdin, program.log.open("ab", buffering=0) as log:
        stdin.write(program.stdin.encode())
        stdin.seek(0)
        return _popen(program, {"stdin": stdin, "stdout": log, "stderr": log})


def _popen(program: Program, streams: dict[str, IO[bytes]]) -> "subprocess.Popen[bytes]":
    account = program.account
    return subprocess.Popen(
        program.argv,
        env=program.env,
        cwd=program.cwd,
        start_new_session=True,
        preexec_fn=die_with_parent(program.stop_signal),  # noqa: PLW1509 - this process has one thread
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        stdin=streams.get("stdin"),
        stdout=streams.get("stdout"),
        stderr=streams.get("stderr"),
    )


def main() -> None:
    """Arguments: the control socket, the lock to share, the file to record what runs."""
    control, lock, record = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    os.set_inheritable(control, False)
    os.set_inheritable(lock, False)
    adopt_orphans()
    Guardian(socket.socket(fileno=control), record).serve()


if __name__ == "__main__":
    main()
