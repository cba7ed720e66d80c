"""PERF-3: `POST communications/bulk`, whole calls of up to 1,000 requests as NDJSON."""

import json

from bench.bodies import a_body
from bench.figures import Figure, percentile
from bench.load import Caller, Reply, run_callers
from bench.workbench import Bench
from devstack.errors import StackError

CALLERS = 2
REQUESTS = 20_000
PER_CALL = 1_000
GOAL_PER_SECOND = 4_000.0
_PATH = "/api/crm/communications/bulk"


def measure(bench: Bench) -> Figure:
    token = bench.installation.token()
    requests = bench.size.messages(REQUESTS, full=200_000)
    per_call = min(PER_CALL, requests)
    calls = requests // per_call
    bench.progress.show(f"making {calls + 1} bodies")
    bodies = [_body(number, per_call) for number in range(calls + 1)]
    bench.installation.start_web()

    def call(caller: Caller, number: int) -> Reply:
        return caller.post(_PATH, bodies[number], content_type="application/x-ndjson")

    def make() -> Caller:
        return Caller(bench.installation.url, token, timeout=120)

    warm_up = call(make(), calls)
    if warm_up.status == 404:
        return _figure(0.0, note="not there yet")
    _require(warm_up, per_call)
    bench.progress.show(f"{calls} calls of {per_call}")
    load = run_callers(callers=CALLERS, seconds=600, most=calls, make=make, call=call)
    for reply in load.refused:
        _require(reply, per_call)
    bench.installation.stop_web()
    rate = per_call * load.per_second
    return _figure(rate, p95_ms=round(percentile(load.latencies, 0.95) * 1000, 1), per_call=per_call)


def _figure(value: float, **extra: object) -> Figure:
    return Figure("PERF-3", value, "requests/s", GOAL_PER_SECOND, 1.0, extra=dict(extra))


def _body(number: int, per_call: int) -> bytes:
    numbers = range(number * per_call, (number + 1) * per_call)
    return b"\n".join(json.dumps(a_body(each, urgency="normal")).encode() for each in numbers)


def _require(reply: Reply, per_call: int) -> None:
    if reply.status >= 300:
        raise StackError(f"{_PATH} answered {reply.status}: {reply.body[:500]!r}")
    del per_call
