"""Running PostgreSQL when we are root, which it refuses to be: as `nobody`, from files that one can reach."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from devstack.errors import StackError
from devstack.program import Account

TEMPORARY_PREFIX = "crm-devstack-"


def server_account(data: Path) -> Account | None:
    """For root the account that owns the data, at first `nobody`; None (ourselves) for everybody else."""
    if os.geteuid() != 0:
        return None
    owner = data.stat()
    if owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise StackError(
            "PostgreSQL does not run as root and there is no account 'nobody'. "
            "Run this as another user, or set DATABASE_URL to a server of yours."
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def can_reach(path: Path, account: Account | None, *, mode: str = "-x") -> bool:
    """Asks the kernel, as that account, whether it may enter (or execute, read …) the path."""
    command = ["/bin/sh", "-c", f'test {mode} "$1"', "sh", str(path)]
    return _succeeds(command, account)


def make_temporary_folder(account: Account | None) -> Path:
    """A folder of ours that the account can enter and run programs from, wherever this machine has one."""
    for base in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp", "/run", "/dev/shm")):
        try:
            folder = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=base))
        except OSError:
            continue
        folder.chmod(0o711 if account else 0o700)
        program = folder / "probe"
        program.write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
        program.chmod(0o755)
        if _succeeds([str(program)], account):
            program.unlink()
            return folder
        shutil.rmtree(folder)
    raise StackError(
        "Found no temporary folder that the account 'nobody' can run programs from. "
        "Set TMPDIR to one, or DATABASE_URL to a server of yours."
    )


def copy_server(binaries: Path, folder: Path) -> Path:
    """Copies the wheel's server, with the libraries it expects beside it, and returns the copy's bin folder.

    Everybody may read the copy, whatever umask the original was installed with.
    """
    install = binaries.parent
    package = install.parent
    shutil.copytree(install, folder / package.name / install.name, symlinks=True)
    libraries = package.parent / f"{package.name}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            mode = path.stat().st_mode & 0o700
            path.chmod(mode | mode >> 3 & 0o055 | mode >> 6 & 0o005)
    return folder / package.name / install.name / binaries.name


def _succeeds(command: list[str], account: Account | None) -> bool:
    try:
        return (
            subprocess.run(
                command,
                cwd="/",
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                capture_output=True,
                check=False,
            ).returncode
            == 0
        )
    except OSError:
        return False
