"""Every benchmark runs, at a size that says nothing about speed, so that none of them rots."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from bench.__main__ import WORKLOADS
from devstack.bench import BENCHMARKS
from devstack.supervisor import ROOT

pytestmark = pytest.mark.stack

FIGURE = {"id", "value", "unit", "limit", "ratio", "goal", "ok"}
COUNTS = {"accepted", "once", "twice", "lost", "against_will", "in_doubt", "in_doubt_bound", "kills"}
SIZES = {"deliver": 40, "accept": 8, "bulk": 10, "latency": 2, "claim": 300, "memory": 40, "fairness": 400}


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    # Short: sockets are made in it. Shared: the database is migrated once.
    with TemporaryDirectory(prefix="crm-bench-", dir="/tmp") as folder:
        path = Path(folder)
        path.chmod(0o711)  # the database server runs as another account when we are root
        yield path


def bench(state: Path, *arguments: str) -> dict[str, Any]:
    answer = subprocess.run(
        [sys.executable, "run.py", "bench", *arguments, "--json"],
        cwd=ROOT,
        env={**os.environ, "CRM_STATE_DIR": str(state)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr[-4000:]
    result: dict[str, Any] = json.loads(answer.stdout)
    return result


def test_the_proof_by_faults_runs(state: Path) -> None:
    """Small, and already true: nothing lost, nothing twice, nothing against a client's will (REL-1, REL-6)."""
    result = bench(state, "faults", "--size", "60", "--seed", "3")

    assert result.keys() >= COUNTS
    assert (result["accepted"], result["drained"]) == (60, True)
    assert (result["twice"], result["lost"], result["against_will"]) == (0, 0, 0)
    assert result["kills"] == 2
    counted = result["once"] + result["withheld"] + result["in_doubt"]
    assert counted == result["accepted"]
    assert len(result["in_doubt_rows"]) == result["in_doubt"] <= result["in_doubt_bound"]


def test_the_front_door_knows_what_there_is() -> None:
    assert BENCHMARKS.keys() == WORKLOADS.keys() == SIZES.keys() | {"faults"}


@pytest.mark.parametrize("name", SIZES)
def test_a_benchmark_runs(state: Path, name: str) -> None:
    result = bench(state, name, "--size", str(SIZES[name]))

    assert result.keys() >= FIGURE
    assert result["id"] == BENCHMARKS[name]
    assert result["ratio"] == pytest.approx(result["value"] / result["limit"], abs=0.01)
    assert "vs_post_office" in result or name != "deliver"
