"""PERF-9: claiming 500 due rows beside many future ones of every priority, by one worker and by two."""

from collections.abc import Callable
from typing import Any

from django.db import connection

from bench.children import children, race
from bench.figures import Figure, median
from bench.rows import copy_models, future_rows, make_models
from bench.workbench import Bench
from communications.choices import Urgency

FEW, MANY = 10_000, 1_000_000
BATCH = 500
DUE = 10_000
LIMIT_MS = 5.0
FLAT_WITHIN = 1.5
TWO_WORKERS_GOAL = 1.8


def measure(bench: Bench) -> Figure:
    from_size = bench.size.messages(MANY)
    due = DUE if bench.size.given is None else 4 * BATCH
    models, refill = _due_rows(due)
    bench.progress.show(f"{min(FEW, from_size)} future rows")
    _future(models, 0, min(FEW, from_size))
    few = _claims(bench, workers=1)
    bench.progress.show(f"{from_size} future rows")
    _future(models, min(FEW, from_size), from_size)
    refill()
    one = _claims(bench, workers=1)
    refill()
    two = _claims(bench, workers=2)
    claim, flat = median(one["claims"]), median(one["claims"]) / median(few["claims"])
    scaling = two["rate"] / one["rate"]
    return Figure(
        id="PERF-9",
        value=claim,
        unit="ms median",
        limit=LIMIT_MS,
        goal=1.0,
        lower_is_better=True,
        also_ok=flat <= FLAT_WITHIN and scaling >= TWO_WORKERS_GOAL,
        extra={
            "slowest_ms": round(max(one["claims"]), 2),
            "future_rows": from_size,
            "flat": round(flat, 2),
            "two_workers": round(scaling, 2),
            "claimed_per_second": round(one["rate"]),
        },
    )


def _due_rows(due: int) -> tuple[list[Any], Callable[[], None]]:
    """The rows, and what makes them due again (the very same ones)."""
    models = make_models(urgency=Urgency.NORMAL, count=4)
    copy_models(models, total=due)

    def refill() -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE crm_queue SET lease_token = NULL WHERE lease_token IS NOT NULL")
            cursor.execute("VACUUM ANALYZE crm_queue")

    return models, refill


def _future(models: list[Any], first: int, last: int) -> None:
    if last > first:
        future_rows(models[0], first=first, last=last)


def _claims(bench: Bench, *, workers: int) -> dict[str, Any]:
    command = ["bench.processes.claiming", str(BATCH)]
    with children(*[command] * workers, env=bench.installation.settings) as running:
        ends = race(running)
    worked = sum(end["worked"] for end in ends)
    return {
        "claims": [took for end in ends for took in end["claims"]],
        "rate": worked / max(end["seconds"] for end in ends),
    }
