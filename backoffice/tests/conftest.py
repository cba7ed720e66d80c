import pytest

from communications.services.templates import load_builtin_templates
from core import clock
from core.tests.api.callers import own_cache  # noqa: F401 - an autouse fixture


@pytest.fixture
def ready(settings, db):
    """An installation that can plan e-mails."""
    settings.SMTP_HOST = "localhost"
    load_builtin_templates(now=clock.now())
