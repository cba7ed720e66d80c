"""Fairness: low messages due in masses and every worker busy, yet a critical one is with the provider within a second.

The provider takes its time, as real ones do, so that calls are what workers wait for.
"""

from bench.figures import Figure, median, percentile
from bench.rows import analyse, copy_models, make_models
from bench.workbench import Bench
from bench.workloads.latency import start_stack, urgent_messages
from communications.choices import Status, Urgency
from communications.models import Communication
from communications.rules.message_types import priority_of

DUE = 100_000
FULL = 1_000_000
URGENT = 60
PROVIDER_SECONDS = 0.05
LIMIT_MS = 1000.0


def measure(bench: Bench) -> Figure:
    bench.sink.behave(latency_seconds=PROVIDER_SECONDS)
    due = bench.size.messages(DUE, FULL)
    bench.progress.show(f"filling {due} low rows")
    _fill(due)
    start_stack(bench)
    before = bench.sink.counts()["taken"]
    urgent = URGENT if bench.size.given is None else max(4, min(URGENT, bench.size.given // 100))
    waits = urgent_messages(bench, urgent, pause=0.1)
    meanwhile = bench.sink.counts()["taken"] - before - urgent
    left = _low_rows_left()
    return Figure(
        id="FAIRNESS",
        value=percentile(waits, 0.95) * 1000,
        unit="ms p95",
        limit=LIMIT_MS,
        goal=1.0,
        lower_is_better=True,
        also_ok=left > 0,  # else the workers had nothing to be busy with at the end
        extra={
            "median_ms": round(median(waits) * 1000, 1),
            "max_ms": round(max(waits) * 1000, 1),
            "low_due": due,
            "low_sent_meanwhile": meanwhile,
            "low_left": left,
        },
    )


def _fill(due: int) -> None:
    """Made as normal, since low ones would be given their slot of the day, and then called low and due."""
    copy_models(make_models(urgency=Urgency.NORMAL), total=due)
    Communication.objects.update(priority=priority_of(Urgency.LOW))
    analyse()


def _low_rows_left() -> int:
    return Communication.objects.filter(status=Status.SCHEDULED, priority=priority_of(Urgency.LOW)).count()
