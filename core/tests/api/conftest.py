from core.tests.api.callers import own_cache  # noqa: F401 - an autouse fixture
