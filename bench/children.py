"""Processes that take part in a measurement: started, ready, told to go, and gone when the block ends."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from devstack.errors import StackError
from devstack.kernel import die_with_parent
from devstack.supervisor import ROOT


class Child:
    """Speaks lines: what it prints is read by `line`, what it is told goes through `tell`."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str]) -> None:
        self._name = " ".join(arguments[:1])
        self.process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env=dict(env),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - started before any thread
        )

    def line(self) -> str:
        """The next line it prints; StackError when it ends instead."""
        line = _pipe(self.process.stdout).readline()
        if not line:
            raise StackError(f"{self._name} ended with exit code {self.process.wait()}; see above.")
        return line.strip()

    def answer(self) -> Any:
        return json.loads(self.line())

    def tell(self, line: str) -> None:
        stream = _pipe(self.process.stdin)
        stream.write(line + "\n")
        stream.flush()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        _pipe(self.process.stdin).close()
        _pipe(self.process.stdout).close()


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None  # both are pipes
    return stream


@contextlib.contextmanager
def children(*commands: Sequence[str], env: Mapping[str, str]) -> Iterator[list[Child]]:
    """One process of our Python for each command (a module and its arguments)."""
    started: list[Child] = []
    try:
        for command in commands:
            started.append(Child(command, env))
        yield started
    finally:
        for child in started:
            with contextlib.suppress(OSError):
                child.stop()


def race(running: Sequence[Child]) -> list[Any]:
    """Waits until all are ready, lets them go at once, and returns what each said at its end."""
    for child in running:
        child.line()
    for child in running:
        child.tell("go")
    return [child.answer() for child in running]


class SinkProcess:
    """The SMTP sink (`processes.sink`) as its users see it."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self.port = int(child.line())

    def counts(self) -> dict[str, int]:
        self._child.tell("count")
        answer: dict[str, int] = self._child.answer()
        return answer

    def behave(self, **behaviour: float) -> None:
        self._child.tell("behave " + json.dumps(behaviour))
        self._child.answer()

    def settings(self) -> dict[str, str]:
        """This sink in the place of the provider."""
        return {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(self.port),
            "SMTP_USE_TLS": "false",
            "SMTP_FROM_EMAIL": "hello@planiva.example",
        }


@contextlib.contextmanager
def running_sink(*, record: str = "", seed: int = 0) -> Iterator[SinkProcess]:
    command = ["bench.processes.sink", str(seed), *([record] if record else [])]
    with children(command, env={"PATH": "/usr/bin:/bin"}) as (child,):
        yield SinkProcess(child)
