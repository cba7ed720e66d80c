"""Small state that processes share, kept in the cache's server. Whoever uses it has an answer for when it is away."""

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from django.conf import settings
from django.core.cache import cache
from redis import Redis
from redis.exceptions import RedisError

from core.logs import get_logger

logger = get_logger("cache")

T = TypeVar("T")

# A server that does not answer costs a second each time it is asked: nobody asks again for a while.
_SILENCE_SECONDS: Final = 5.0
_silent_until: dict[str, float] = {}
# One for each backend, which Django keeps by thread: making a client costs more than asking it.
_clients: "WeakKeyDictionary[Any, Redis]" = WeakKeyDictionary()


def with_shared_state(work: Callable[["Redis"], T]) -> T | None:
    """What `work` gives for a client of the cache's server; None while that server cannot be reached.

    Commands sent together in a pipeline cost one round trip. Make keys with `shared_key`.
    """
    server = str(settings.CACHES["default"]["LOCATION"])
    if time.monotonic() < _silent_until.get(server, 0.0):
        return None
    try:
        return work(_client())
    except (RedisError, OSError) as error:
        _silent_until[server] = time.monotonic() + _SILENCE_SECONDS
        logger.warning("cache not available, each process reckons for itself", error=error)
        return None


def shared_key(name: str) -> str:
    """The name as the cache's keys are written, with the installation's prefix."""
    return str(cache.make_key(name))


def _client() -> Redis:
    backend = cache._cache  # type: ignore[attr-defined]  # Django's own way in
    client = _clients.get(backend)
    if client is None:
        client = _clients[backend] = backend.get_client(write=True)
    return client
