from core.tests.api.callers import own_cache
from core.tests.captured_log import log

__all__ = ["log", "own_cache"]
