import pytest

from core.scopes import Scope
from core.tests.api.callers import own_cache, service  # noqa: F401 - an autouse fixture


@pytest.fixture
def planner():
    return service(Scope.READ, Scope.WRITE)


@pytest.fixture
def ready(smtp, templates):
    """An installation that can send: SMTP catcher and the built-in templates."""
