"""The stream in the broker's server that the spool is kept in (Redis or Valkey). No database, no secrets: what
may be personal arrives sealed.

Keys: NAME:waiting and NAME:parked are streams, NAME:tries counts by entry, NAME:once:… remember for a day which
entry a name led to. The braces in the name keep them in one slot of a cluster.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

TIMEOUT_SECONDS: Final = 1
# Beyond that the broker's memory is at stake, and with it every wake-up.
MAX_WAITING: Final = 100_000
ONCE_FOR: Final = timedelta(hours=24)
_SCHEMES: Final = ("redis://", "rediss://", "unix://")

# One script, so that a name is never remembered without its entry, nor an entry added twice under one name; and so that
# of several entries all are added or none. Behind the limit, the time and their number of fields come the entries: what
# is remembered of each, then its fields.
_ADD: Final = """
local size, new = tonumber(ARGV[3]), 0
for at = 2, #KEYS do new = new + 1 - redis.call('EXISTS', KEYS[at]) end
if new > 0 and redis.call('XLEN', KEYS[1]) + new > tonumber(ARGV[1]) then return redis.error_reply('FULL') end
local answers = {}
for at = 2, #KEYS do
  local first = 4 + (at - 2) * (size + 1)
  local known = redis.call('GET', KEYS[at])
  if not known then
    redis.call('SET', KEYS[at], ARGV[first], 'EX', ARGV[2])
    redis.call('XADD', KEYS[1], '*', unpack(ARGV, first + 1, first + size))
  end
  answers[at - 1] = known or ''
end
return answers
"""
# Moves one entry from a stream to the end of another, whole or not at all.
_MOVE: Final = """
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if #found == 0 then return 0 end
redis.call('XADD', KEYS[2], '*', unpack(found[1][2]))
redis.call('XDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
return 1
"""

StreamError = redis.RedisError


@dataclass(frozen=True)
class Place:
    """One entry where it lies; `position` is the stream's own id, `fields` as they were added."""

    position: str
    fields: Mapping[str, bytes]


@dataclass(frozen=True)
class Known:
    """The entry that a name led to before, and the fingerprint of what came with it then."""

    entry_id: UUID
    fingerprint: str


@dataclass(frozen=True)
class ToAdd:
    """An entry to add, unless the name `once` led to one within a day. All entries have the same fields."""

    fields: Mapping[str, str | bytes]
    once: str
    known_as: Known


def has_stream(broker_url: str) -> bool:
    return _address(broker_url).startswith(_SCHEMES)


@lru_cache(maxsize=8)
def stream_at(broker_url: str, name: str) -> "Stream":
    return Stream(broker_url, name)


def _address(broker_url: str) -> str:
    # Celery says redis+socket:///path, redis-py says unix:///path.
    return broker_url.replace("redis+socket://", "unix://")


class Stream:
    """Any method raises StreamError when the server cannot be used, after about a second at most."""

    def __init__(self, broker_url: str, name: str) -> None:
        self._server: Any = redis.Redis.from_url(
            _address(broker_url),
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        keys = f"{{{name}}}"
        self._waiting, self._parked = f"{keys}:waiting", f"{keys}:parked"
        self._tries, self._once = f"{keys}:tries", f"{keys}:once:"
        self.last_seen_waiting: int | None = None

    def add(self, entries: Sequence[ToAdd]) -> list[Known | None]:
        """Adds them at the end, all or none, but for those whose name led to another within a day: for each of these
        what it led to."""
        names = [self._once + entry.once for entry in entries]
        flat: list[str | bytes] = []
        for entry in entries:
            flat.append(f"{entry.known_as.entry_id} {entry.known_as.fingerprint}")
            flat += [part for field in entry.fields.items() for part in field]
        size = 2 * len(entries[0].fields)
        answers = self._server.eval(
            _ADD,
            1 + len(names),
            self._waiting,
            *names,
            MAX_WAITING,
            int(ONCE_FOR.total_seconds()),
            size,
            *flat,
        )
        return [_known(answer.decode()) if answer else None for answer in answers]

    def forget(self, names: Sequence[str]) -> None:
        if names:
            self._server.delete(*(self._once + once for once in names))

    def count_waiting(self) -> int:
        self.last_seen_waiting = int(self._server.xlen(self._waiting))
        return self.last_seen_waiting

    def count_parked(self) -> int:
        return int(self._server.xlen(self._parked))

    def list_waiting(self, limit: int) -> list[Place]:
        return _places(self._server.xrange(self._waiting, count=limit))

    def list_parked(self, limit: int) -> list[Place]:
        return _places(self._server.xrange(self._parked, count=limit))

    def tries_of(self, places: Sequence[Place]) -> list[int]:
        return [
            int(count or 0) for count in self._server.hmget(self._tries, [place.position for place in places])
        ]

    def count_tries(self, places: Sequence[Place], *, by: int = 1) -> None:
        """Counted in the server, so that it outlives the worker."""
        pipeline = self._server.pipeline(transaction=True)
        for place in places:
            pipeline.hincrby(self._tries, place.position, by)
        pipeline.execute()

    def remove(self, places: Sequence[Place]) -> None:
        positions = [place.position for place in places]
        pipeline = self._server.pipeline(transaction=True)
        pipeline.xdel(self._waiting, *positions)
        pipeline.hdel(self._tries, *positions)
        pipeline.execute()

    def park(self, place: Place) -> None:
        self._server.eval(_MOVE, 3, self._waiting, self._parked, self._tries, place.position)

    def replay(self, place: Place) -> None:
        self._server.eval(_MOVE, 3, self._parked, self._waiting, self._tries, place.position)

    def forget_parked(self, *, older_than: timedelta) -> int:
        """Deletes what was parked longer ago than that, by the server's ids, which are milliseconds."""
        oldest = int((time.time() - older_than.total_seconds()) * 1000)
        return int(self._server.xtrim(self._parked, minid=str(oldest), approximate=False))


def _known(remembered: str) -> Known:
    entry_id, _, fingerprint = remembered.partition(" ")
    return Known(UUID(entry_id), fingerprint)


def _places(rows: list[tuple[bytes, Mapping[bytes, bytes]]]) -> list[Place]:
    return [
        Place(position.decode(), {name.decode(): value for name, value in fields.items()})
        for position, fields in rows
    ]
