"""`python -m bench NAME`: one benchmark in an installation of its own; its result is one JSON line on standard output.

Run by `run.py bench`, which sets the environment: CRM_STATE_DIR is the benchmarks' own, nothing else is inherited.
"""

import argparse
import importlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.children import running_sink
from bench.installation import Installation
from bench.workbench import Bench, Size
from devstack.cli import guarded
from devstack.console import Progress
from devstack.environment import Environment
from devstack.state import State
from devstack.supervisor import ROOT, Supervisor


@dataclass(frozen=True)
class Workload:
    """`module` has a function `measure`. It may import the product: it is loaded once that is set up."""

    module: str
    records: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


WORKLOADS = {
    "deliver": Workload("bench.workloads.deliver"),
    "accept": Workload("bench.workloads.accept"),
    "bulk": Workload("bench.workloads.bulk"),
    "latency": Workload("bench.workloads.latency", records=True),
    "claim": Workload("bench.workloads.claim"),
    "memory": Workload("bench.workloads.memory"),
    "fairness": Workload("bench.workloads.fairness", records=True),
    # Workers are paused for longer than their lease, again and again: a short one keeps the run short.
    # What waits for a retry is brought forward by the demo's clock.
    "faults": Workload(
        "bench.faults.run",
        records=True,
        settings={"CRM_LEASE_SECONDS": "12", "CRM_ALLOW_DEMO_CLOCK": "true"},
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("name", choices=sorted(WORKLOADS))
    parser.add_argument("--size", type=int)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    return guarded(lambda: _run(options.name, Size(options.size, options.full, options.seed)))


def _run(name: str, size: Size) -> int:
    workload, progress = WORKLOADS[name], Progress(name)
    state = State(Path(os.environ["CRM_STATE_DIR"]))
    with Supervisor(state) as supervisor:
        record = state.run / "taken.jsonl"
        record.unlink(missing_ok=True)
        with running_sink(record=str(record) if workload.records else "", seed=size.seed or 0) as sink:
            installation = Installation(supervisor, Environment(ROOT))
            progress.show("database and broker")
            installation.start()
            progress.show("database with today's schema")
            installation.prepare(name, **sink.settings(), **workload.settings)
            bench = Bench(installation, sink, record, size, progress)
            result: Any = importlib.import_module(workload.module).measure(bench)
    progress.end()
    print(json.dumps(result.as_json()), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
