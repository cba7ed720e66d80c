"""PostgreSQL and Valkey as processes that a test may stop and start: each under a supervisor of its own, because the
stack's own supervisor takes a server that ends for the end of everything."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

from devstack.cli import guarded
from devstack.postgres import start_postgres
from devstack.state import State
from devstack.supervisor import ROOT, Supervisor
from devstack.valkey import start_valkey

STOPS_WITHIN_SECONDS = 60.0
_START: dict[str, Callable[[Supervisor, Path], str]] = {
    "postgres": lambda supervisor, site: start_postgres(supervisor, {}, site=site, throwaway=True),
    "valkey": lambda supervisor, site: start_valkey(supervisor, {}, site=site),
}


class OwnServer:
    """`postgres` or `valkey` in one folder, which must be short; its data and its URL survive a stop."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self) -> None:
        """Returns when it answers."""
        own = {name: text for name, text in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.own_servers", self._name, str(self._folder)],
            cwd=ROOT,
            env=own,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"{self._name} did not start."
        url: str = json.loads(line)
        assert self.url in {"", url}, "it comes back where it was"
        self.url = url

    def stop(self) -> None:
        """Ends all its sessions. Does nothing to one that does not run."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(STOPS_WITHIN_SECONDS)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


def main() -> int:
    name, folder = sys.argv[1:]
    with Supervisor(State(Path(folder))) as supervisor:
        url = _START[name](supervisor, Path(sysconfig.get_paths()["purelib"]))
        print(json.dumps(url), flush=True)
        supervisor.watch()
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
