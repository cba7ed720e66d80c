"""The front door itself: how `up` tells where it is, and what a kill of the real stack leaves."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.kernel import IS_LINUX
from devstack.supervisor import ROOT
from devstack.tests.conftest import Run

pytestmark = [pytest.mark.stack, pytest.mark.skipif(not IS_LINUX, reason="finds processes through /proc")]


def environment(state: Path) -> dict[str, str]:
    """As a stranger's shell has it: none of our settings."""
    ours = ("CRM_", "SMTP_", "DATABASE_", "REDIS_", "DJANGO_", "SECRET_", "FIELD_", "BLIND_", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "CRM_STATE_DIR": str(state)}


def start(state: Path, *arguments: str) -> Run:
    process = subprocess.Popen(
        [sys.executable, "run.py", *arguments],
        cwd=ROOT,
        env=environment(state),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Run(process, state, f"CRM_STATE_DIR={state}")


@pytest.fixture
def up(state_folder: Path) -> Iterator[Run]:
    run = start(state_folder, "up", "--json")
    yield run
    if run.process.poll() is None:
        run.process.kill()
    run.process.communicate()
    run.leaves_nothing()


def test_up_tells_how_to_reach_it_and_its_kill_leaves_nothing(up: Run) -> None:
    ready = up.wait_until_ready()
    assert ready.keys() == {"url", "staff", "token", "database_url", "sandbox"}
    beside = subprocess.run(
        [sys.executable, "run.py", "manage", "demo_clock"],
        cwd=ROOT,
        env=environment(up.state),
        capture_output=True,
        text=True,
        check=False,
    )
    assert beside.returncode == 0, beside.stderr
    assert len(up.left_over()) > 10

    up.end(signal.SIGKILL)

    assert up.leaves_nothing(), up.left_over()
