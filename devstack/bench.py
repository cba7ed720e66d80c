"""The front door of the benchmarks: what they need, their names, and how their results are shown.

The measuring itself is the package `bench`, run in the project's environment with a state folder of its own, so it
never touches the developer's data or providers.
"""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack import console
from devstack.environment import Environment, install_extra
from devstack.kernel import die_with_parent
from devstack.project_settings import inherited
from devstack.supervisor import ROOT

REQUIREMENTS = "requirements-bench.txt"
_SETTING = re.compile(r"^(?:# )?([A-Z][A-Z0-9_]*)=", re.MULTILINE)

BENCHMARKS = {
    "deliver": "PERF-1",
    "accept": "PERF-2",
    "bulk": "PERF-3",
    "latency": "PERF-4",
    "claim": "PERF-9",
    "memory": "PERF-10",
    "fairness": "FAIRNESS",
    "faults": "FAULTS",
}
# Minutes by itself, and a proof instead of a figure: only by name.
BY_NAME_ONLY = {"faults"}


@dataclass(frozen=True)
class BenchOptions:
    """`name`: a benchmark's name or its requirement's ID, None for all. The rest: see docs/performance.md."""

    name: str | None = None
    as_json: bool = False
    size: int | None = None
    full: bool = False
    seed: int | None = None

    def chosen(self) -> list[str]:
        """Empty for a name that nobody knows."""
        if self.name is None:
            return [name for name in BENCHMARKS if name not in BY_NAME_ONLY]
        wanted = self.name.lower()
        return [name for name, identifier in BENCHMARKS.items() if wanted in {name, identifier.lower()}]

    def arguments(self) -> list[str]:
        given = {"--size": self.size, "--seed": self.seed}
        flags = [part for flag, value in given.items() if value is not None for part in (flag, str(value))]
        return [*flags, *(["--full"] if self.full else [])]


def unknown_name(options: BenchOptions) -> str | None:
    """The sentence that refuses a name, before anything is installed for it."""
    if options.chosen():
        return None
    known = ", ".join(f"{name} ({identifier})" for name, identifier in BENCHMARKS.items())
    return f"There is no benchmark {options.name!r}. Known: {known}."


def run_benchmarks(environment: Environment, options: BenchOptions, state: Path) -> int:
    """Prints a table, or with `as_json` one JSON object per benchmark. A missed goal is no failure; one that could
    not be measured is."""
    install_extra(environment, REQUIREMENTS)
    code = 0
    for name in options.chosen():
        result = _measure(environment, name, options, state)
        if result is None:
            code = 1
        else:
            print(json.dumps(result) if options.as_json else row(result), flush=True)
    if options.name is None:
        console.say("The proof that faults lose and repeat nothing takes minutes: `run.py bench faults`.")
    return code


def _measure(environment: Environment, name: str, options: BenchOptions, state: Path) -> Any:
    """Its result, or None when it ended otherwise; what went wrong is on standard error already."""
    argv = [str(environment.python), "-m", "bench", name, *options.arguments()]
    process = subprocess.Popen(
        argv,
        env=_own_environment(state),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - this process has one thread
    )
    try:
        output, _ = process.communicate()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    lines = output.strip().splitlines()
    return json.loads(lines[-1]) if process.returncode == 0 and lines else None


def _own_environment(state: Path) -> dict[str, str]:
    """Without any setting of the product: no benchmark writes to a developer's database or mails by their provider."""
    settings = set(_SETTING.findall((ROOT / ".env.example").read_text(encoding="utf-8")))
    kept = {name: value for name, value in inherited().items() if name not in settings}
    return kept | {"CRM_STATE_DIR": str(state)}


def row(result: dict[str, Any]) -> str:
    """One line of the table: the figures first, what else was found after them."""
    if "ratio" not in result:
        return "\n".join(f"{name:<16} {value}" for name, value in _shown(result))
    verdict = "reached" if result["ok"] else "missed"
    line = (
        f"{result['id']:<9} {result['value']:>10.1f} {result['unit']:<12} limit {result['limit']:>9.1f}  "
        f"ratio {result['ratio']:>5.2f}  goal {result['goal']:.2f}  {verdict:<8}"
    )
    figures = {"id", "value", "unit", "limit", "ratio", "goal", "ok"}
    more = ", ".join(f"{name} {value}" for name, value in result.items() if name not in figures)
    return f"{line} {more}".rstrip()


def _shown(result: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in result.items():
        yield name, len(value) if isinstance(value, list) else value
