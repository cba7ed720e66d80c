"""Token buckets in the cache, so that all workers together keep a provider's rate (rules.rate_limit does the sums).

While the cache is away each process takes its share of the rate: together they stay below it as long as there are no
more than CRM_WORKERS_SHARE of them.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from redis import Redis
from redis.client import Pipeline

from communications.rules.rate_limit import Rate, Taken, take
from core.shared_state import shared_key, with_shared_state

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# rules.rate_limit.take for many buckets, in one step; a test holds the two against each other.
_TAKE: Final = """
local now, interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local room = interval * burst
local answer = {}
for place, key in ipairs(KEYS) do
  local full_at = math.min(math.max(tonumber(redis.call('GET', key) or '0'), now), now + room)
  local granted = math.min(tonumber(ARGV[3 + place]), math.floor((now + room - full_at) / interval))
  full_at = full_at + granted * interval
  if granted > 0 then
    redis.call('SET', key, string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000) + 60000)
  end
  answer[#answer + 1] = granted
  answer[#answer + 1] = string.format('%.0f', full_at)
end
return answer
"""
# Buckets that one process remembers while the cache is away; those unused for longest are forgotten, which only makes
# them full.
_MOST_LOCAL: Final = 10_000

_local: OrderedDict[str, int] = OrderedDict()
_local_lock = threading.Lock()


def connector_bucket(connector_name: str) -> str:
    return shared_key(f"tokens:{connector_name}")


def recipient_bucket(connector_name: str, address_index: str) -> str:
    """`address_index` is the address's keyed hash, never the address."""
    return shared_key(f"tokens:{connector_name}:{address_index}")


def add_take(
    pipe: Pipeline, buckets: Sequence[str], rate: Rate, wanted: Sequence[int], now: datetime
) -> None:
    """One command more in a pipeline; `taken_of` reads its answer."""
    pipe.eval(_TAKE, len(buckets), *buckets, as_us(now), rate.interval_us, rate.burst, *wanted)


def taken_of(answer: Sequence[Any], rate: Rate) -> list[Taken]:
    ends = [int(value) for value in answer[1::2]]
    room = rate.interval_us * rate.burst
    return [
        Taken(int(granted), full_at, full_at + rate.interval_us - room)
        for granted, full_at in zip(answer[::2], ends, strict=True)
    ]


def take_local(buckets: Sequence[str], rate: Rate, wanted: Sequence[int], now: datetime) -> list[Taken]:
    """This process's share of the rate."""
    share = rate.share(settings.CRM_WORKERS_SHARE)
    taken = []
    with _local_lock:
        for bucket, count in zip(buckets, wanted, strict=True):
            took = take(_local.pop(bucket, 0), share, wanted=count, now_us=as_us(now))
            _local[bucket] = took.full_at_us
            if len(_local) > _MOST_LOCAL:
                _local.popitem(last=False)
            taken.append(took)
    return taken


def take_tokens(buckets: Sequence[str], rate: Rate, wanted: Sequence[int], *, now: datetime) -> list[Taken]:
    """Of each bucket up to as many as wanted, in one round trip for all."""

    def work(client: Redis) -> list[Taken]:
        pipe = client.pipeline(transaction=False)
        add_take(pipe, buckets, rate, wanted, now)
        (answer,) = pipe.execute()
        return taken_of(answer, rate)

    shared = with_shared_state(work)
    return take_local(buckets, rate, wanted, now) if shared is None else shared


def as_us(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND
