"""PERF-2: `POST communications` by four callers, beside a bare DRF view under the same server in the same run."""

import json

from bench.bodies import a_body
from bench.figures import Figure, percentile
from bench.load import Caller, Load, Reply, run_callers
from bench.workbench import Bench
from devstack.errors import StackError

CALLERS = 4
SECONDS = 6.0
WARM_UP_CALLS = 200  # every process has loaded what it needs by then
WARM_UP_WITHIN_SECONDS = 60.0
_PATH = "/api/crm/communications"
P95_LIMIT_MS = 25.0
_BARE_TABLES = """
    CREATE TABLE bare_requests (id bigserial PRIMARY KEY, plan text, client text, context jsonb);
    CREATE TABLE bare_messages (id bigserial PRIMARY KEY, request bigint REFERENCES bare_requests, status text)
"""


def measure(bench: Bench) -> Figure:
    token = bench.installation.token()
    bench.installation.execute(_BARE_TABLES)
    bench.progress.show("bare view")
    before = _bare(bench, token)
    bench.progress.show("POST communications")
    ours = _ours(bench, token)
    bench.progress.show("bare view again")
    after = _bare(bench, token)
    p95 = percentile(ours.latencies, 0.95) * 1000
    return Figure(
        id="PERF-2",
        value=ours.per_second,
        unit="requests/s",
        limit=(before.per_second + after.per_second) / 2,
        goal=0.3,
        also_ok=p95 < P95_LIMIT_MS,
        extra={
            "p95_ms": round(p95, 2),
            "p95_limit_ms": P95_LIMIT_MS,
            "bare_p95_ms": round(percentile(before.latencies + after.latencies, 0.95) * 1000, 2),
            "calls": len(ours.latencies),
        },
    )


def _ours(bench: Bench, token: str) -> Load:
    bench.installation.start_web()
    return _measured(bench, token, _PATH)


def _bare(bench: Bench, token: str) -> Load:
    bench.installation.start_web(
        settings={"DJANGO_SETTINGS_MODULE": "bench.sites.bare"},
        application="bench.sites.bare_wsgi:application",
    )
    return _measured(bench, token, "/submit")


def _measured(bench: Bench, token: str, path: str) -> Load:
    """Warmed up, measured, and the server stopped again."""
    numbers = iter(range(10_000_000))

    def call(caller: Caller, _number: int) -> Reply:
        body = a_body(next(numbers), urgency="normal")
        return caller.post(path, json.dumps(body).encode())

    def make() -> Caller:
        return Caller(bench.installation.url, token)

    calls = bench.size.given
    warm_up = calls or WARM_UP_CALLS
    run_callers(callers=2 * CALLERS, seconds=WARM_UP_WITHIN_SECONDS, most=warm_up, make=make, call=call)
    load = run_callers(callers=CALLERS, seconds=SECONDS, most=calls, make=make, call=call)
    bench.installation.stop_web()
    if load.refused:
        raise StackError(f"{path} answered {load.refused[0].status}: {load.refused[0].body[:500]!r}")
    return load
