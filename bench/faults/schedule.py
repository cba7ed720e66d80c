"""Which faults happen, and in which order: drawn from a seed, so that a run can be repeated."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    KILL_PROCESS = "kill_process"  # one of the two processes of a worker, SIGKILL; Celery makes a new one
    KILL_WORKER = "kill_worker"  # a worker with all its processes, SIGKILL; started again
    PAUSE_PROCESS = "pause_process"  # SIGSTOP until well past its lease, then SIGCONT
    PAUSE_WORKER = "pause_worker"
    STOP_DATABASE = "stop_database"  # in order, at once, or killed; started again after a while
    STOP_BROKER = "stop_broker"


KILLS = {Fault.KILL_PROCESS, Fault.KILL_WORKER}
PAUSES = {Fault.PAUSE_PROCESS, Fault.PAUSE_WORKER}


@dataclass(frozen=True)
class Moment:
    """A fault, due when this share of all messages was accepted. `draw` in [0, 1) decides what is left open."""

    share: float
    fault: Fault
    draw: float


@dataclass(frozen=True)
class Amounts:
    kills: int = 24
    pauses: int = 6
    database_stops: int = 3
    broker_stops: int = 3


def schedule(seed: int, amounts: Amounts) -> Iterator[Moment]:
    """All of them, spread over the run, in a random order."""
    drawing = random.Random(seed)
    faults = [
        *(drawing.choice([Fault.KILL_PROCESS, Fault.KILL_WORKER]) for _ in range(amounts.kills)),
        *(drawing.choice([Fault.PAUSE_PROCESS, Fault.PAUSE_WORKER]) for _ in range(amounts.pauses)),
        *[Fault.STOP_DATABASE] * amounts.database_stops,
        *[Fault.STOP_BROKER] * amounts.broker_stops,
    ]
    drawing.shuffle(faults)
    for number, fault in enumerate(faults):
        share = (number + 0.5 + drawing.uniform(-0.4, 0.4)) / (len(faults) + 1)
        yield Moment(share, fault, drawing.random())
