"""run.py's side of the guardian: start programs, wait for them, notice when one ends, stop them all."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from devstack import console
from devstack.errors import Interrupted, StackError
from devstack.leftovers import clear_leftovers, record_path
from devstack.program import Ended, Program
from devstack.state import TRANSIENT, State, StateLock

ROOT = Path(__file__).resolve().parent.parent
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOG_LIMIT_BYTES = 5_000_000
LOG_LINES_SHOWN = 20


class Supervisor:
    """Runs programs for one state folder. Use as a context: leaving it stops all of them in order.

    Raises StackError when a program that should stay ends: nothing is restarted silently.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.running: dict[str, int] = {}
        self._services: dict[str, Program] = {}
        self._ended: dict[str, int] = {}
        self._failed: dict[str, str] = {}
        self._received = b""

    def __enter__(self) -> "Supervisor":
        self.state.prepare()
        self._lock = StateLock(self.state)
        try:
            self._lock.acquire(lambda: console.say("An earlier run is still stopping; waiting for it …"))
            for name in clear_leftovers(self.state):
                console.say(f"Stopped {name}, left over from a run that was killed.")
            self._start_guardian()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stop()
        finally:
            self._lock.close()

    def start(self, program: Program) -> None:
        """Starts a program that has to stay. Returns when it exists; `wait_until` waits for more."""
        self._services[program.name] = program
        self._launch(program)

    def run(self, program: Program, *, timeout_seconds: float = 120.0) -> Ended:
        """Runs a command to its end. The answer holds what it wrote this time, which stays in its log if it
        has one; without a log nothing is kept."""
        log = program.log or self.state.make_private_file(f"{program.name}{TRANSIENT}")
        try:
            return self._run(replace(program, log=log), log, timeout_seconds)
        finally:
            if not program.log:
                log.unlink(missing_ok=True)

    def _run(self, program: Program, log: Path, timeout_seconds: float) -> Ended:
        before = log.stat().st_size if log.exists() else 0
        self._launch(program)
        deadline = time.monotonic() + timeout_seconds
        while program.name in self.running:
            self._pump(deadline)
            if time.monotonic() > deadline:
                raise StackError(f"{program.name} did not end within {timeout_seconds:.0f} s; see {log}.")
        with log.open("rb") as file:
            file.seek(before)
            return Ended(self._ended.pop(program.name), file.read().decode(errors="replace"))

    @property
    def services(self) -> dict[str, Program]:
        """What was started to stay, by name."""
        return dict(self._services)

    def end(self, name: str, signal_number: int) -> Program:
        """Ends a service on purpose and returns it, so that it may be started again."""
        program = self._services.pop(name)
        self.signal(name, signal_number)
        while name in self.running:
            self._pump(None)
        self._ended.pop(name)
        return program

    def signal(self, name: str, signal_number: int) -> None:
        """To the program and everything that it started."""
        self._order({"do": "signal", "name": name, "signal": signal_number})

    def foreground(self, program: Program) -> int:
        """Runs a command on our own terminal and returns its exit code; Ctrl-C is passed on to it."""
        self._launch(program)
        while program.name in self.running:
            try:
                self._pump(None)
            except Interrupted as interruption:
                self.signal(program.name, interruption.signal_number)
                if interruption.signal_number != signal.SIGINT:
                    raise
        return self._ended.pop(program.name)

    def wait_until(self, probe: Callable[[], bool], what: str, *, timeout_seconds: float) -> None:
        """Polls the probe. Raises StackError when a service ends meanwhile or time is up."""
        deadline = time.monotonic() + timeout_seconds
        while not probe():
            if time.monotonic() > deadline:
                raise StackError(
                    f"{what} was not ready within {timeout_seconds:.0f} s; see {self.state.logs}."
                )
            self._pump(time.monotonic() + 0.1)

    def watch(self) -> None:
        """Returns never: raises StackError when a service ends, or what a signal handler raises."""
        while True:
            self._pump(None)

    def pause(self, seconds: float) -> None:
        """Lets time pass while looking after the services."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._pump(deadline)

    def remove_at_end(self, path: Path) -> None:
        """A folder outside the state folder that goes when everything has stopped."""
        self.state.write("temporary", [*(self.state.read("temporary") or []), str(path)])
        self._order({"do": "remove_at_end", "path": str(path)})

    def _start_guardian(self) -> None:
        self._control, theirs = socket.socketpair()
        numbers = (theirs.fileno(), self._lock.descriptor)
        self._guardian = subprocess.Popen(
            [sys.executable, "-m", "devstack.guardian", *map(str, numbers), str(record_path(self.state))],
            pass_fds=numbers,
            start_new_session=True,
            cwd=ROOT,
            env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        theirs.close()

    def _launch(self, program: Program) -> None:
        if program.log:
            _rotate(program.log)
        self._ended.pop(program.name, None)
        self._order({"do": "start", "program": program.to_message()})
        while program.name not in self.running and program.name not in self._ended:
            self._pump(None)
            if program.name in self._failed:
                raise StackError(f"{program.name} could not be started: {self._failed.pop(program.name)}")

    def _order(self, order: dict[str, Any]) -> None:
        try:
            self._control.sendall(json.dumps(order).encode() + b"\n")
        except OSError:
            self._guardian_lost()

    def _pump(self, deadline: float | None) -> None:
        """Waits for the guardian's next events, at most until the deadline (monotonic)."""
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not select.select([self._control], [], [], timeout)[0]:
            return
        data = self._control.recv(65536)
        if not data:
            self._guardian_lost()
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._note(json.loads(line))
        self._complain_about_services()

    def _note(self, event: dict[str, Any]) -> None:
        name = event.get("name", "")
        if event["event"] == "started":
            self.running[name] = event["pid"]
        elif event["event"] == "failed":
            self._failed[name] = event["error"]
        elif event["event"] == "ended":
            self.running.pop(name, None)
            self._ended[name] = event["code"]

    def _complain_about_services(self) -> None:
        for name in self._ended.keys() & self._services.keys():
            program = self._services.pop(name)
            code = self._ended.pop(name)
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            lines = "\n".join(f"    {line}" for line in _last_lines(program.log))
            raise StackError(f"{name} {how}. The end of {program.log}:\n{lines}")

    def _guardian_lost(self) -> NoReturn:
        self._guardian.wait()
        clear_leftovers(self.state)
        raise StackError(
            "The process that looks after the others was killed; everything was stopped. Start again."
        )

    def _stop(self) -> None:
        """Repeated signals are ignored here: stopping is bounded, and cut short it leaves processes."""
        handlers = {number: signal.signal(number, signal.SIG_IGN) for number in STOP_SIGNALS}
        self._lock.announce_stop()
        with contextlib.suppress(OSError):  # it is gone already
            self._control.sendall(b'{"do": "stop"}\n')
        self._guardian.wait()
        self._control.close()
        self.state.remove("temporary")
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))


def _last_lines(log: Path | None) -> list[str]:
    if log is None:
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 20_000))
        return file.read().decode(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
