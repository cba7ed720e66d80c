from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_django import Settings

from communications.gateway import close_connectors
from communications.services.journal import close_journals
from communications.services.templates import load_builtin_templates
from core.tests.api.callers import own_cache  # noqa: F401 - an autouse fixture: circuits and rates are of one test
from core.tests.captured_log import log  # noqa: F401 - a fixture
from sandbox.testing import Sandbox, running_sandbox

# A Tuesday, 12:00 in Kolkata: inside every window of a client there.
NOON_IN_KOLKATA = datetime(2026, 3, 3, 6, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
def smtp(sandbox: Sandbox, settings: Settings, tmp_path: Path) -> Iterator[Sandbox]:
    """The real SMTP catcher, empty and willing, as this installation's provider; a state folder of its own."""
    sandbox.clear()
    sandbox.behave("accept")
    settings.SMTP_HOST = sandbox.smtp_host
    settings.SMTP_PORT = sandbox.smtp_port
    settings.CRM_STATE_DIR = tmp_path
    yield sandbox
    close_connectors()
    close_journals()


@pytest.fixture
def mail_configured(settings: Settings) -> None:
    """For tests in which e-mail is a channel and none is sent."""
    settings.SMTP_HOST, settings.SMTP_FROM_EMAIL = "mail.invalid", "hello@planiva.example"


@pytest.fixture
def templates(db: None) -> None:
    load_builtin_templates(now=NOON_IN_KOLKATA)
