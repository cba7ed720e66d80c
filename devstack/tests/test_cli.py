import subprocess
import sys

from devstack.supervisor import ROOT


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "run.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_bench_refuses_an_unknown_name() -> None:
    answer = run("bench", "PERF-0")

    assert answer.returncode == 2
    assert "There is no benchmark 'PERF-0'. Known: deliver (PERF-1), " in answer.stdout


def test_an_unknown_command_is_refused_with_the_known_ones() -> None:
    answer = run("serve")

    assert answer.returncode == 2
    assert "demo" in answer.stderr
    assert "Traceback" not in answer.stderr
