import pytest
from pytest_django import Settings

from communications.services.templates import load_builtin_templates
from core import clock


@pytest.fixture
def templates(db: None, settings: Settings) -> None:
    """And e-mail configured, so that requests are planned; nothing is sent."""
    settings.SMTP_HOST = "127.0.0.1"
    load_builtin_templates(now=clock.now())
