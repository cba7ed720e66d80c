"""One running stack for all tests that are content with it, in a folder of its own."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.canary_requests import Told
from tests.canary_traffic import tell_everything
from tests.running_stack import RunningStack


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests side by side are shared out by file, and all files that use the shared stack go to one process, so
    that there is one stack. (Groups by mark do nothing in pytest-xdist 3.8 with pytest 9.2.)"""
    if config.getvalue("dist") not in {"load", "loadgroup"}:
        return None
    from xdist.scheduler import LoadScopeScheduling

    class OneStack(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "tests" if file.startswith("tests/") and file != "tests/test_demo.py" else file

    return OneStack(config, log)


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """Sockets need short paths, and PostgreSQL may run as another account that has to get there."""
    with tempfile.TemporaryDirectory(prefix="crm-t-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def stack(short_folder: Path) -> Iterator[RunningStack]:
    running = RunningStack(short_folder)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def told(stack: RunningStack) -> Told:
    """What the stack knows of people once every kind of request was made with unmistakable data."""
    return tell_everything(stack)
