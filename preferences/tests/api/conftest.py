import pytest

from core.tests.api.callers import own_cache, service  # noqa: F401 - own_cache is an autouse fixture


@pytest.fixture
def planner():
    return service()
