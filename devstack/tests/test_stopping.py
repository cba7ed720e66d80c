"""Ctrl-C, SIGTERM and SIGKILL leave no process behind and never stop the next start."""

import os
import signal
from collections.abc import Callable

import pytest

from devstack.kernel import IS_LINUX, children_of
from devstack.tests.conftest import Run, eventually

pytestmark = pytest.mark.skipif(not IS_LINUX, reason="finds processes through /proc")


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_a_signal_to_the_run_ends_everything(
    start_run: Callable[[], Run], number: signal.Signals, code: int
) -> None:
    run = start_run()
    started = run.wait_until_ready()
    family = children_of(started["family"])
    assert len(family) == 2
    assert set(family) < set(run.left_over())

    assert run.end(number) == code

    assert run.leaves_nothing(), run.left_over()


def test_the_next_start_waits_for_a_killed_run_and_works(start_run: Callable[[], Run]) -> None:
    first = start_run()
    first.wait_until_ready()
    first.end(signal.SIGKILL)

    second = start_run()
    second.wait_until_ready()

    assert second.end(signal.SIGTERM) == 143
    assert "An earlier run is still stopping" in second.process.stderr.read()


def test_a_killed_guardian_ends_the_run(start_run: Callable[[], Run]) -> None:
    run = start_run()
    run.wait_until_ready()
    (guardian,) = children_of(run.process.pid)

    os.kill(guardian, signal.SIGKILL)

    assert run.process.wait(40) == 1
    assert "everything was stopped" in run.process.stderr.read()
    assert run.leaves_nothing(), run.left_over()


def test_run_and_guardian_killed_together_do_not_stop_the_next_start(start_run: Callable[[], Run]) -> None:
    first = start_run()
    first.wait_until_ready()
    (guardian,) = children_of(first.process.pid)
    for pid in (guardian, first.process.pid):
        os.kill(pid, signal.SIGKILL)
    first.process.wait(10)

    second = start_run()
    second.wait_until_ready()

    assert second.end(signal.SIGINT) == 130
    assert "Stopped family, left over from a run that was killed." in second.process.stderr.read()
    assert second.leaves_nothing(), second.left_over()


@pytest.mark.parametrize("name", ["family", "postgres", "valkey"])
def test_a_service_that_dies_is_named_and_ends_the_run(start_run: Callable[[], Run], name: str) -> None:
    run = start_run()
    started = run.wait_until_ready()

    os.kill(started[name], signal.SIGKILL)

    assert run.process.wait(40) == 1
    assert f"{name} was ended by SIGKILL" in run.process.stderr.read()
    assert run.leaves_nothing(), run.left_over()


def test_a_second_start_is_refused_and_the_first_goes_on(start_run: Callable[[], Run]) -> None:
    first = start_run()
    first.wait_until_ready()

    second = start_run()

    assert second.process.wait(20) == 1
    said = second.process.stderr.read()
    assert f"Already running from this state folder ({first.state}) as process {first.process.pid}." in said
    assert first.process.poll() is None
    assert eventually(lambda: len(first.left_over()) > 3, 1)
