"""The project's Python environment, `.venv` beside run.py: made and filled from the locked requirements."""

import fcntl
import hashlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.console import Progress, say
from devstack.errors import StackError
from devstack.installer_settings import uv_environment
from devstack.kernel import die_with_parent

LOCKS = ("requirements.txt", "requirements-dev.txt")
INSTALLER_LOCK = "devstack/installer.txt"
STAMP = "crm-installed.json"
UNFINISHED = "crm-unfinished"


@dataclass(frozen=True)
class Environment:
    root: Path

    @property
    def folder(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def site(self) -> Path:
        return (
            self.folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        )

    def tool(self, name: str) -> str:
        return str(self.folder / "bin" / name)


def ensure_environment(root: Path) -> Environment:
    """Makes `.venv` or brings it up to date; does nothing when the last run did so from the same lock files.

    A run that is killed meanwhile leaves a mark in the folder, and the next one begins again.
    """
    environment = Environment(root)
    expected = _fingerprint(environment)
    if _stamp(environment) == expected:
        return environment
    with _only_one(root):
        if _stamp(environment) != expected:  # another run may have done it while we waited
            _make(environment)
            _install(environment, LOCKS)
            (environment.folder / STAMP).write_text(json.dumps(expected), encoding="utf-8")
            (environment.folder / UNFINISHED).unlink()
    return environment


def install_extra(environment: Environment, lock: str) -> None:
    """Installs one more lock file on top, unless that was done since the environment was made or renewed."""
    mark = environment.folder / f"crm-installed-{lock}.json"
    made = (environment.folder / STAMP).stat().st_mtime_ns
    expected = {
        "lock": hashlib.sha256((environment.root / lock).read_bytes()).hexdigest(),
        "environment": made,
    }
    if mark.exists() and json.loads(mark.read_text(encoding="utf-8")) == expected:
        return
    with _only_one(environment.root):
        _install(environment, (lock,))
        mark.write_text(json.dumps(expected), encoding="utf-8")


def _fingerprint(environment: Environment) -> dict[str, str]:
    """What the environment is made from. The path is part of it: scripts in `.venv/bin` name it."""
    hashes = {name: hashlib.sha256((environment.root / name).read_bytes()).hexdigest() for name in LOCKS}
    return {**hashes, "python": sys.version, "path": str(environment.folder)}


def _stamp(environment: Environment) -> dict[str, str] | None:
    if (environment.folder / UNFINISHED).exists() or not environment.python.exists():
        return None
    try:
        stamp: dict[str, str] = json.loads((environment.folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stamp


@contextmanager
def _only_one(root: Path) -> Iterator[None]:
    descriptor = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another run is installing the requirements; waiting for it …")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make(environment: Environment) -> None:
    """Keeps an environment that works, has pip and is of this Python; makes any other anew."""
    usable = not (environment.folder / UNFINISHED).exists() and _runs_pip(environment)
    if not usable and environment.folder.exists():
        shutil.rmtree(environment.folder)
    environment.folder.mkdir(exist_ok=True)
    (environment.folder / UNFINISHED).touch()
    if usable:
        return
    progress = Progress(f"Making {environment.folder}")
    code, tail = _run([sys.executable, "-m", "venv", str(environment.folder)], dict(os.environ), progress)
    if code != 0:
        raise StackError(
            "A Python environment could not be made. On Debian or Ubuntu: `apt install python3-venv`, "
            "then run this "
            f"again. The tool said:\n{tail}"
        )
    progress.end()


def _runs_pip(environment: Environment) -> bool:
    """Whether `.venv` is of this Python version and has a working pip."""
    if not environment.site.is_dir() or not environment.python.exists():
        return False
    command = [str(environment.python), "-m", "pip", "--version"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _install(environment: Environment, locks: tuple[str, ...]) -> None:
    root = environment.root
    total = sum(_count_requirements(root / name) for name in locks)
    progress = Progress(f"Installing about {total} packages")
    files = [argument for name in locks for argument in ("-r", str(root / name))]
    uv = _uv(environment, progress)
    if uv:
        command = [uv, "pip", "install", "--python", str(environment.python), "--require-hashes", *files]
        code, tail = _run(command, uv_environment(environment.python), progress)
        if code == 0:
            progress.end()
            return
        say(f"\nuv could not install them, so pip does, which takes a minute. uv said:\n{tail}")
    command = [str(environment.python), "-m", "pip", "install", "--require-hashes", "--no-input", *files]
    code, tail = _run([*command, "--disable-pip-version-check"], dict(os.environ), progress)
    if code != 0:
        raise StackError(
            "The requirements could not be installed. Check the network and pip's configuration "
            f"(`pip config list`), then run this again. pip said:\n{tail}"
        )
    progress.end()


def _count_requirements(lock: Path) -> int:
    return sum("==" in line for line in lock.read_text(encoding="utf-8").splitlines())


def _uv(environment: Environment, progress: Progress) -> str | None:
    """The locked uv, put into the environment by pip; None when it cannot be had."""
    command = [str(environment.python), "-m", "pip", "install", "--quiet", "--require-hashes", "--no-input"]
    command += ["--disable-pip-version-check", "-r", str(environment.root / INSTALLER_LOCK)]
    code, _ = _run(command, dict(os.environ), progress)
    uv = environment.folder / "bin" / "uv"
    return str(uv) if code == 0 and uv.exists() else None


def _run(command: list[str], environment: dict[str, str], progress: Progress) -> tuple[int, str]:
    """Runs an installer, shows its last line meanwhile, and returns its exit code and the end of its output.

    It is killed with us: what it leaves is made anew by the next run.
    """
    process = subprocess.Popen(
        command,
        env={name: value for name, value in environment.items() if name not in {"PYTHONPATH", "PYTHONHOME"}},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - no other thread runs yet
    )
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    reader = threading.Thread(target=_read_lines, args=(process, lines), daemon=True)
    reader.start()
    seen: list[str] = []
    try:
        while (line := _next_line(lines, progress, seen)) is not None:
            seen.append(line)
        return process.wait(), "\n".join(seen[-15:])
    finally:
        process.kill()
        process.wait()
        reader.join()


def _next_line(lines: "queue.SimpleQueue[str | None]", progress: Progress, seen: list[str]) -> str | None:
    """The next line of output, None at its end; shows how things stand while it waits."""
    while True:
        progress.show(seen[-1].strip() if seen else "")
        try:
            return lines.get(timeout=0.5)
        except queue.Empty:
            continue


def _read_lines(process: "subprocess.Popen[str]", lines: "queue.SimpleQueue[str | None]") -> None:
    if process.stdout is not None:
        with process.stdout as output:
            for line in output:
                lines.put(line.rstrip())
    lines.put(None)
