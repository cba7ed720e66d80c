"""PERF-4: from `POST communications` to the provider, one urgent message at a time, through the whole idle stack."""

import json
import time

from bench.bodies import a_body
from bench.figures import Figure, median, percentile
from bench.load import Caller
from bench.taken import Taken
from bench.workbench import Bench
from devstack.errors import StackError

MESSAGES = 60
LIMIT_MS = 300.0
_PAUSE_SECONDS = 0.15
_WARM_UP = 4  # every web and worker process has compiled its template by then


def measure(bench: Bench) -> Figure:
    start_stack(bench)
    messages = bench.size.messages(MESSAGES)
    waits = urgent_messages(bench, messages, pause=_PAUSE_SECONDS)
    return Figure(
        id="PERF-4",
        value=percentile(waits, 0.95) * 1000,
        unit="ms p95",
        limit=LIMIT_MS,
        goal=1.0,
        lower_is_better=True,
        extra={"median_ms": round(median(waits) * 1000, 1), "max_ms": round(max(waits) * 1000, 1)},
    )


def start_stack(bench: Bench) -> None:
    """Web, one worker of two processes, scheduler."""
    bench.progress.show("starting web, worker and scheduler")
    bench.installation.start_web()
    bench.installation.start_worker()
    bench.installation.supervisor.start(bench.installation.programs.scheduler())
    bench.installation.wait_until_healthy()


def urgent_messages(bench: Bench, messages: int, *, pause: float) -> list[float]:
    """Critical messages one after the other: seconds from the call of the API until the provider had all of it.
    Counted from before the call, so accepting is part of it."""
    caller = Caller(bench.installation.url, bench.installation.token())
    taken, waits = Taken(bench.record), []
    for number in range(messages + _WARM_UP):
        bench.progress.show(f"urgent message {number + 1} of {messages + _WARM_UP}")
        body = a_body(number, urgency="critical", prefix="urgent")
        begun = time.time()
        reply = caller.post("/api/crm/communications", json.dumps(body).encode())
        if reply.status != 202:
            raise StackError(f"POST communications answered {reply.status}: {reply.body[:500]!r}")
        address = body["client"]["email"]
        arrived = taken.wait_for(address, seconds=60)
        if number >= _WARM_UP:
            waits.append(arrived - begun)
        time.sleep(pause)
    return waits
