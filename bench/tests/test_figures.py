import pytest

from bench.figures import Figure, percentile
from bench.workloads.memory import growth


@pytest.mark.parametrize(
    ("value", "lower_is_better", "also_ok", "ok"),
    [
        (80.0, False, True, True),
        (79.0, False, True, False),
        (80.0, True, True, True),
        (81.0, True, True, False),
        (90.0, False, False, False),
    ],
)
def test_a_goal_is_reached_from_below_or_from_above(
    value: float, lower_is_better: bool, also_ok: bool, ok: bool
) -> None:
    figure = Figure("X", value, "1/s", 100.0, 0.8, lower_is_better=lower_is_better, also_ok=also_ok)

    assert figure.ok is ok
    assert figure.as_json()["ratio"] == value / 100


def test_what_else_was_found_stands_beside_the_figure() -> None:
    assert Figure("X", 1.0, "s", 2.0, 0.5, extra={"p95_ms": 3}).as_json() == {
        "id": "X",
        "value": 1.0,
        "unit": "s",
        "limit": 2.0,
        "ratio": 0.5,
        "goal": 0.5,
        "ok": True,
        "p95_ms": 3,
    }


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(1, 101)]

    assert (percentile(values, 0.95), percentile(values, 0.5), percentile([7.0], 0.95)) == (95.0, 50.0, 7.0)


def test_growth_is_that_of_the_second_half() -> None:
    """PERF-10: what caches take at the beginning is no leak."""
    warming_up = [(1000, 50.0), (2000, 90.0), (3000, 100.0)]

    assert growth([*warming_up, (4000, 100.0), (5000, 100.0), (6000, 100.0)]) == pytest.approx(0.0)
    assert growth([*warming_up, (4000, 101.0), (5000, 102.0), (6000, 103.0)]) == pytest.approx(0.001)
