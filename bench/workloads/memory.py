"""PERF-10: the memory of one worker process after many messages, each with rows of its own.

By default fewer messages than the goal names, and the rest from the slope of the second half; `--full` sends all.
"""

from bench.children import children
from bench.figures import Figure
from bench.rows import MODELS, copy_models, make_models
from bench.workbench import Bench
from communications.choices import Urgency

MESSAGES = 12_000
FULL = 100_000
PORTION = 20_000
LIMIT_MB = 200.0
NOT_GROWING_MB_PER_100_000 = 20.0


def measure(bench: Bench) -> Figure:
    messages = bench.size.messages(MESSAGES, FULL)
    samples: list[tuple[int, float]] = []
    with children(["bench.processes.dispatching"], env=bench.installation.settings) as (worker,):
        worker.line()
        portion = 0
        while (done := samples[-1][0] if samples else 0) < messages:
            bench.progress.show(f"{done} of {messages} messages")
            _fill(min(PORTION, messages - done), prefix=f"p{portion}")
            portion += 1
            worker.tell("go")
            end = worker.answer()
            samples += [(done + worked, megabytes) for worked, megabytes in end["megabytes"]]
    slope = growth(samples)
    last = samples[-1][1]
    expected = last + slope * max(0, FULL - samples[-1][0])
    return Figure(
        id="PERF-10",
        value=expected,
        unit="MB",
        limit=LIMIT_MB,
        goal=1.0,
        lower_is_better=True,
        also_ok=slope * FULL <= NOT_GROWING_MB_PER_100_000,
        extra={
            "messages": samples[-1][0],
            "measured_mb": last,
            "extrapolated": samples[-1][0] < FULL,
            "growth_mb_per_100_000": round(slope * FULL, 2),
        },
    )


def _fill(messages: int, *, prefix: str) -> None:
    copy_models(
        make_models(urgency=Urgency.NORMAL, prefix=prefix, count=min(MODELS, messages)), total=messages
    )


def growth(samples: list[tuple[int, float]]) -> float:
    """Megabytes per message over the second half, by least squares: the first half fills caches."""
    half = samples[len(samples) // 2 :]
    if len(half) < 2:
        return 0.0
    mean_x = sum(x for x, _ in half) / len(half)
    mean_y = sum(y for _, y in half) / len(half)
    spread = sum((x - mean_x) ** 2 for x, _ in half)
    return sum((x - mean_x) * (y - mean_y) for x, y in half) / spread if spread else 0.0
