import os
from pathlib import Path

import pytest

from devstack.bench import BENCHMARKS, BY_NAME_ONLY, BenchOptions, _own_environment, row

FIGURE = {
    "id": "PERF-9",
    "value": 4.0,
    "unit": "ms median",
    "limit": 5.0,
    "ratio": 0.8,
    "goal": 1.0,
    "ok": True,
    "flat": 1.02,
}


@pytest.mark.parametrize("name", ["claim", "CLAIM", "PERF-9", "perf-9"])
def test_a_benchmark_has_its_name_and_the_id_of_its_requirement(name: str) -> None:
    assert BenchOptions(name).chosen() == ["claim"]


def test_all_of_them_are_all_figures() -> None:
    assert set(BenchOptions().chosen()) == set(BENCHMARKS) - BY_NAME_ONLY


def test_sizes_are_passed_on() -> None:
    assert BenchOptions("faults", size=10, seed=0, full=True).arguments() == [
        *("--size", "10"),
        *("--seed", "0"),
        "--full",
    ]


def test_a_row_says_whether_the_goal_was_reached_and_what_else_was_found() -> None:
    assert row(FIGURE).split() == (
        [
            "PERF-9",
            "4.0",
            "ms",
            "median",
            "limit",
            "5.0",
            "ratio",
            "0.80",
            "goal",
            "1.00",
            "reached",
            "flat",
            "1.02",
        ]
    )
    assert "missed" in row(FIGURE | {"ok": False})


def test_counts_are_shown_line_by_line_and_lists_by_their_length() -> None:
    assert row({"id": "FAULTS", "twice": 0, "in_doubt_rows": [{}, {}]}).splitlines() == [
        "id               FAULTS",
        "twice            0",
        "in_doubt_rows    2",
    ]


def test_no_setting_of_the_developer_reaches_a_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would write to their database and mail through their provider."""
    for name in ("DATABASE_URL", "REDIS_URL", "SMTP_HOST", "CRM_PUBLIC_URL", "SECRET_KEY"):
        monkeypatch.setenv(name, "of-the-developer")

    environment = _own_environment(Path("/somewhere"))

    assert "of-the-developer" not in environment.values()
    assert environment["CRM_STATE_DIR"] == "/somewhere"
    assert environment["PATH"] == os.environ["PATH"]
