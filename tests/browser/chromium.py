"""A Chromium for the tests: the system's, or Debian's package where we may install it."""

import os
import shutil
import subprocess
from functools import cache

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# As root there is no sandbox to drop into; the other flags keep it from calling home.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_PATIENCE_SECONDS = 600


@cache
def executable() -> str | None:
    """Its path, or None where there is none and none can be had."""
    return _found() or _installed()


def _found() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def _installed() -> str | None:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return None
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
        done = subprocess.run(
            [apt, *arguments],
            env=environment,
            timeout=_PATIENCE_SECONDS,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            return None
    return _found()
