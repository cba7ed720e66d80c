import os
import sys
from pathlib import Path

import pytest

from devstack.check import Step, differences, report, run_steps


def step(name: str, script: str, verify: str = "") -> Step:
    return Step(name, [sys.executable, "-c", script], dict(os.environ), lambda: verify)


def test_every_step_runs_and_the_summary_names_the_failed(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [
        step("first", "raise SystemExit('what went wrong')"),
        step("second", "print('never shown')"),
        step("third", "pass", verify="it drifted"),
        step("fourth", "pass"),
    ]

    results = run_steps(steps)
    code = report(results)

    assert code == 1
    assert {result.step.name: result.code for result in results} == {
        "first": 1,
        "second": 0,
        "third": 1,
        "fourth": 0,
    }
    out = capsys.readouterr().out
    assert "what went wrong" in out
    assert "it drifted" in out
    assert "never shown" not in out
    assert "2 of 4 steps failed: first, third." in out


def test_all_clean_is_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(run_steps([step("only", "pass")])) == 0
    assert "All 1 steps are clean." in capsys.readouterr().out


def test_drift_names_the_difference(tmp_path: Path) -> None:
    committed, generated = tmp_path / "committed", tmp_path / "generated"
    generated.write_text("openapi: 3.1.0\npaths: {}\n")

    assert "+openapi: 3.1.0" in differences(committed, generated)
    committed.write_text("openapi: 3.1.0\npaths: {}\n")
    assert differences(committed, generated) == ""
    committed.write_text("openapi: 3.1.0\npaths: none\n")
    assert "-paths: none" in differences(committed, generated)
