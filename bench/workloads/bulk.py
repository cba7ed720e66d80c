"""PERF-3: `POST communications/bulk`, whole calls of up to 1,000 requests as NDJSON."""

import json
from http import HTTPStatus

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
        reply = caller.post(_PATH, bodies[number], content_type="application/x-ndjson")
        _require_all_accepted(reply, per_call)
        return reply

    def make() -> Caller:
        return Caller(bench.installation.url, token, timeout=120)

    call(make(), calls)
    bench.progress.show(f"{calls} calls of {per_call}")
    load = run_callers(callers=CALLERS, seconds=600, most=calls, make=make, call=call)
    bench.installation.stop_web()
    return Figure(
        id="PERF-3",
        value=per_call * load.per_second,
        unit="requests/s",
        limit=GOAL_PER_SECOND,
        goal=1.0,
        extra={"p95_ms": round(percentile(load.latencies, 0.95) * 1000, 1), "per_call": per_call},
    )


def _body(number: int, per_call: int) -> bytes:
    numbers = range(number * per_call, (number + 1) * per_call)
    return b"\n".join(json.dumps(a_body(each, urgency="normal")).encode() for each in numbers)


def _require_all_accepted(reply: Reply, per_call: int) -> None:
    if reply.status != HTTPStatus.OK or reply.json()["accepted"] != per_call:
        raise StackError(f"{_PATH} answered {reply.status}: {reply.body[:500]!r}")
