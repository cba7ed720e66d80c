"""The benchmarks: figures measured as ratios in one run on one machine."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """One measured value beside its limit, which is measured in the same run."""

    id: str
    value: float
    unit: str
    limit: float
    ratio: float
    goal: float
    ok: bool


BENCHMARKS: dict[str, Callable[[], Figure]] = {}


def run_benchmarks(name: str | None, *, as_json: bool) -> int:
    """Prints a table, or with `as_json` one JSON object per benchmark. A missed goal is no failure; an
    unknown name is."""
    if name is not None and name not in BENCHMARKS:
        known = ", ".join(sorted(BENCHMARKS)) or "none yet"
        print(f"There is no benchmark {name!r}. Known: {known}.")
        return 2
    chosen = [name] if name else sorted(BENCHMARKS)
    if not chosen:
        print(json.dumps({"benchmarks": []}) if as_json else "No benchmark is registered yet.")
        return 0
    for each in chosen:
        figure = BENCHMARKS[each]()
        print(json.dumps(asdict(figure)) if as_json else _row(figure), flush=True)
    return 0


def _row(figure: Figure) -> str:
    verdict = "reached" if figure.ok else "missed"
    return (
        f"{figure.id:<10} {figure.value:>12.1f} {figure.unit:<12} limit {figure.limit:>12.1f}  "
        f"ratio {figure.ratio:.2f}  goal {figure.goal:.2f}  {verdict}"
    )
