"""A run of the supervisor for tests to kill: PostgreSQL, Valkey, and a family that ignores every polite request."""

import json
import os
import signal
import sys
import sysconfig
from pathlib import Path

from devstack.cli import guarded
from devstack.postgres import start_postgres
from devstack.program import Program
from devstack.state import State
from devstack.supervisor import ROOT, Supervisor
from devstack.valkey import start_valkey

# A child that forks one grandchild in its own group and one in a session of its own; none of them obeys SIGTERM.
FAMILY = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for leaves_home in (False, True):
    if os.fork() == 0:
        if leaves_home:
            os.setsid()
        time.sleep(600)
        sys.exit()
open(sys.argv[1], "w").close()
time.sleep(600)
"""


def main() -> int:
    state = State(Path(sys.argv[1]))
    with Supervisor(state) as supervisor:
        site = Path(sysconfig.get_paths()["purelib"])
        database_url = start_postgres(supervisor, {}, site=site, throwaway=True)
        start_valkey(supervisor, {}, site=site)
        ready = state.run / "family-is-complete"
        ready.unlink(missing_ok=True)
        supervisor.start(
            Program(
                name="family",
                argv=[sys.executable, "-c", FAMILY, str(ready)],
                env=dict(os.environ),
                cwd=ROOT,
                log=state.logs / "family.log",
                stop_signal=signal.SIGTERM,
                grace_seconds=0.5,
            )
        )
        supervisor.wait_until(ready.exists, "the family", timeout_seconds=20)
        print(json.dumps({"database_url": database_url, **supervisor.running}), flush=True)
        supervisor.watch()
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
