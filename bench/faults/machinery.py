"""What the faults are done to: several real workers, the scheduler, the web server and both data stores."""

import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

from django.conf import settings

from bench.faults.schedule import KILLS, PAUSES, Fault, Moment
from bench.installation import Installation
from devstack.console import say
from devstack.errors import StackError
from devstack.kernel import children_of
from devstack.program import Program

WORKERS = 2
PROCESSES_PER_WORKER = 2
_UP_AGAIN_WITHIN_SECONDS = 120.0
_HOW_A_DATABASE_STOPS = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)


@dataclass
class Machinery:
    """Does faults, and like a service manager starts again what ended by itself."""

    installation: Installation
    seed: int
    done: Counter[str] = field(default_factory=Counter)
    restarted: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._wanted: dict[str, Program] = {}
        self._paused: list[tuple[float, int]] = []
        self._away: list[tuple[float, Program]] = []

    def start(self) -> None:
        self.installation.start_web()
        for number in range(WORKERS):
            self.installation.start_worker(f"worker-{number}")
        self.installation.supervisor.start(self.installation.programs.scheduler())
        self.installation.wait_until_healthy()
        self._wanted = self.installation.supervisor.services

    def pause(self, seconds: float) -> None:
        """Lets time pass, brings back what is due to come back, and looks after the rest."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                self._bring_back(time.monotonic())
                self.installation.supervisor.pause(min(0.1, max(0.0, deadline - time.monotonic())))
            except StackError as error:
                say(str(error))
            self._plan_to_start_what_ended()

    def bring_everything_back(self) -> None:
        """And the database ready again."""
        self._paused = [(0.0, pid) for _, pid in self._paused]
        self._away = [(0.0, program) for _, program in self._away]
        self._wait_until_up("postgres")

    def do(self, moment: Moment) -> None:
        """What cannot be done because something ended by itself at this very moment is done again."""
        while True:
            try:
                return self._do(moment)
            except StackError as error:
                say(str(error))
                self.pause(2)

    def _do(self, moment: Moment) -> None:
        if moment.fault in KILLS:
            self._kill(moment)
        elif moment.fault in PAUSES:
            self._stop_for_a_while(moment)
        else:
            self._take_away(moment)

    def count(self, faults: set[Fault]) -> int:
        return sum(self.done[fault] for fault in faults)

    def _kill(self, moment: Moment) -> None:
        name, processes = self._a_worker(moment.draw)
        if moment.fault is Fault.KILL_WORKER or not processes:
            program = self.installation.supervisor.end(name, signal.SIGKILL)
            self.installation.supervisor.start(program)
        else:
            os.kill(self._random.choice(processes), signal.SIGKILL)
        self.done[moment.fault] += 1

    def _stop_for_a_while(self, moment: Moment) -> None:
        name, processes = self._a_worker(moment.draw)
        if moment.fault is Fault.PAUSE_WORKER:
            chosen = [self.installation.supervisor.running[name], *processes]
        else:
            chosen = [self._random.choice(processes)] if processes else []
        back_at = time.monotonic() + settings.CRM_LEASE.total_seconds() + self._random.uniform(2, 5)
        for pid in chosen:
            os.kill(pid, signal.SIGSTOP)
            self._paused.append((back_at, pid))
        self.done[moment.fault] += bool(chosen)

    def _take_away(self, moment: Moment) -> None:
        name = "postgres" if moment.fault is Fault.STOP_DATABASE else "valkey"
        self._wait_until_up(name)  # it goes another time
        how = _HOW_A_DATABASE_STOPS[self.done[moment.fault] % len(_HOW_A_DATABASE_STOPS)]
        if name == "valkey" and how is signal.SIGQUIT:
            how = signal.SIGTERM
        program = self.installation.supervisor.end(name, how)
        self._away.append((time.monotonic() + self._random.uniform(2, 5), program))
        self.done[moment.fault] += 1

    def _a_worker(self, draw: float) -> tuple[str, list[int]]:
        """Its name, and its processes that send."""
        name = f"worker-{int(draw * WORKERS)}"
        deadline = time.monotonic() + _UP_AGAIN_WITHIN_SECONDS
        while time.monotonic() < deadline:
            self._wait_until_up(name)
            processes = children_of(self.installation.supervisor.running[name])
            if len(processes) >= PROCESSES_PER_WORKER:
                break
            self.pause(0.5)
        return name, processes

    def _bring_back(self, moment: float) -> None:
        for back_at, pid in [entry for entry in self._paused if entry[0] <= moment]:
            self._paused.remove((back_at, pid))
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                continue  # killed while it was paused
        for back_at, program in [entry for entry in self._away if entry[0] <= moment]:
            self._away.remove((back_at, program))
            self.installation.supervisor.start(program)

    def _wait_until_up(self, name: str) -> None:
        """A database that was killed reads its log first, and refuses to begin while an orphan of it lives."""
        deadline = time.monotonic() + _UP_AGAIN_WITHIN_SECONDS
        self.pause(0.2)
        while name not in self.installation.supervisor.running or (
            name == "postgres" and not self.installation.database_answers()
        ):
            if time.monotonic() > deadline:
                raise StackError(f"{name} was not up again within {_UP_AGAIN_WITHIN_SECONDS:.0f} s.")
            self.pause(0.5)

    def _plan_to_start_what_ended(self) -> None:
        """In a second: what cannot begin yet must not be tried without end."""
        away = {program.name for _, program in self._away}
        for name, program in self._wanted.items():
            if name not in self.installation.supervisor.running and name not in away:
                self.restarted[name] += 1
                self._away.append((time.monotonic() + 1.0, program))
