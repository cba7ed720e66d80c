"""Rates and the arithmetic of counting against them: pure, and needed before the settings are complete."""

import math
import re
from dataclasses import dataclass
from functools import lru_cache

_PERIOD_SECONDS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "hour": 3600}
_RATE = re.compile(r"(?P<limit>[1-9]\d*)/(?P<period>[a-z]+)")


@dataclass(frozen=True)
class Rate:
    limit: int
    period_seconds: int

    @classmethod
    @lru_cache(maxsize=64)
    def parse(cls, text: str) -> "Rate":
        """`60/min`, `10/s`, `1000/h`. Raises ValueError, which names what is wrong."""
        match = _RATE.fullmatch(text)
        if match is None or match["period"] not in _PERIOD_SECONDS:
            raise ValueError(f"{text!r} is not a rate; write it as 60/min, 10/s or 1000/h.")
        return cls(int(match["limit"]), _PERIOD_SECONDS[match["period"]])


@dataclass(frozen=True)
class Usage:
    """Where a caller stands after this call. `reset_seconds`: until the whole limit is free."""

    allowed: bool
    limit: int
    remaining: int
    reset_seconds: int
    wait_seconds: int = 0


def measure(rate: Rate, *, current: int, previous: int, elapsed_seconds: float) -> Usage:
    """A sliding window made of two fixed ones: the previous counts for its part within the period.

    `current` includes this call; a refused call must be taken back by who counted it.
    """
    weight = max(0.0, 1 - elapsed_seconds / rate.period_seconds)
    used = current + previous * weight
    left_seconds = rate.period_seconds - elapsed_seconds
    reset = math.ceil(left_seconds + (rate.period_seconds if current else 0))
    if used <= rate.limit:
        return Usage(True, rate.limit, int(rate.limit - used), reset)
    return Usage(False, rate.limit, 0, reset, _wait(rate, current - 1, previous, elapsed_seconds))


def _wait(rate: Rate, counted: int, previous: int, elapsed_seconds: float) -> int:
    """Whole seconds until one more call fits if none is made meanwhile."""
    room = rate.limit - 1
    if previous and counted <= room:
        until = rate.period_seconds * (1 - (room - counted) / previous) - elapsed_seconds
    else:
        until = rate.period_seconds - elapsed_seconds
        until += rate.period_seconds * (1 - room / counted) if counted > room else 0
    return max(1, math.ceil(until))
