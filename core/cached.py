"""Reading through the cache, so that nobody gets what a committed change has made old.

A value is kept with the version of its subject that was read before it was made. Whoever changes the subject gives it a
new version after the commit, so a value that was made from what was there before is never taken, also one that a slower
reader puts there afterwards. Without the cache everything is read from the database.
"""

import json
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Final, cast
from uuid import uuid4

from django.db import transaction
from redis import Redis

from core.shared_state import shared_key, with_shared_state

_KEPT_SECONDS: Final = 300
# Longer than any value is kept: a version that is gone must not be met by a value of its time.
_VERSION_SECONDS: Final = 86_400


def read_through(subject: str, make: Callable[[], Any]) -> Any:
    """What `make` gives (JSON), or gave since the subject last changed."""
    version_key, value_key = shared_key(f"version:{subject}"), shared_key(f"value:{subject}")
    known = with_shared_state(partial(_look, version_key=version_key, value_key=value_key))
    if known is None:
        return make()
    version, kept = known
    if kept is not None and kept["version"] == version:
        return kept["value"]
    value = make()
    stored = json.dumps({"version": version, "value": value})
    with_shared_state(lambda redis: redis.set(value_key, stored, ex=_KEPT_SECONDS))
    return value


def forget_on_commit(subjects: Collection[str]) -> None:
    """Give the subjects a new version once the transaction that changes them is committed.

    Should this process die between the two, the old values last for a few minutes at most.
    """
    transaction.on_commit(partial(_forget, tuple(subjects)))


def _look(redis: "Redis", *, version_key: str, value_key: str) -> tuple[str, Any]:
    version, kept = cast(list[bytes | None], redis.mget(version_key, value_key))
    if version is None:
        redis.set(version_key, uuid4().hex, ex=_VERSION_SECONDS, nx=True)
        version = cast(bytes, redis.get(version_key))
    return version.decode(), json.loads(kept) if kept else None


def _forget(subjects: tuple[str, ...]) -> None:
    def renew(redis: "Redis") -> bool:
        with redis.pipeline(transaction=False) as pipeline:
            for subject in subjects:
                pipeline.set(shared_key(f"version:{subject}"), uuid4().hex, ex=_VERSION_SECONDS)
            pipeline.execute()
        return True

    with_shared_state(renew)
