"""How often a caller may call. Counted in the cache; without the cache everybody may."""

import ipaddress
import math
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from redis.exceptions import RedisError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from core.api.principals import CallerKind, caller_of
from core.logs import get_logger

if TYPE_CHECKING:  # views load their throttle classes while they are being defined
    from rest_framework.views import APIView

logger = get_logger("throttle")

_PERIOD_SECONDS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "hour": 3600}
_RATE = re.compile(r"(?P<limit>[1-9]\d*)/(?P<period>[a-z]+)")


@dataclass(frozen=True)
class Rate:
    limit: int
    period_seconds: int

    @classmethod
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


class CallerThrottle(BaseThrottle):
    """Per caller and kind of call: "read" for methods that change nothing, "send" for others, unless the view
    says `throttle_kind`.

    Callers without a name share the interactive rate of their network. Leaves a Usage on the view for the
    X-RateLimit headers.
    """

    usage: Usage | None = None

    def allow_request(self, request: Request, view: "APIView") -> bool:
        kind = getattr(view, "throttle_kind", None) or ("read" if request.method in SAFE_METHODS else "send")
        caller = caller_of(request)
        if caller is None:
            rate = settings.CRM_THROTTLE_RATES[CallerKind.INTERACTIVE][kind]
            return self._allow(view, f"{kind}:{network_of(request._request)}", rate)
        return self._allow(view, f"{kind}:{caller.reference}", settings.CRM_THROTTLE_RATES[caller.kind][kind])

    def wait(self) -> float | None:
        return None if self.usage is None else float(self.usage.wait_seconds)

    def _allow(self, view: "APIView", identity: str, rate: str) -> bool:
        try:
            self.usage = count_call(identity, Rate.parse(rate), at=time.time())
        except (RedisError, OSError) as error:
            logger.warning("cache not available, call not counted", error=error)
            return True
        view.rate_usage = self.usage  # type: ignore[attr-defined]  # read by ApiView.finalize_response
        return self.usage.allowed


class TokenThrottle(CallerThrottle):
    """Sign-in attempts, by network: guessing a secret must not be quick."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        return self._allow(
            view, f"token:{network_of(request._request)}", settings.CRM_THROTTLE_RATES["token"]
        )


def count_call(identity: str, rate: Rate, *, at: float) -> Usage:
    """Counts one call at `at` (Unix seconds) unless it is refused. RedisError: the cache is away."""
    window, elapsed = divmod(at, rate.period_seconds)
    keys = [f"rate:{identity}:{rate.period_seconds}:{int(window) - back}" for back in (0, 1)]
    cache.add(keys[0], 0, timeout=2 * rate.period_seconds)
    current = cache.incr(keys[0])
    usage = measure(rate, current=current, previous=cache.get(keys[1], 0), elapsed_seconds=elapsed)
    if not usage.allowed:
        cache.decr(keys[0])
    return usage


def network_of(request: HttpRequest) -> str:
    """A keyed hash of the caller's network: an IPv4 address, or the IPv6 /64 that one subscriber holds.

    Behind a proxy (CRM_BEHIND_PROXY) it is the address that the proxy added, the last of X-Forwarded-For.
    """
    address = request.META.get("REMOTE_ADDR", "")
    if settings.SECURE_PROXY_SSL_HEADER:
        address = request.META.get("HTTP_X_FORWARDED_FOR", address).rpartition(",")[2].strip()
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        network = "unknown"
    else:
        prefix = 64 if parsed.version == 6 else 32
        network = str(ipaddress.ip_network(f"{parsed}/{prefix}", strict=False))
    return salted_hmac("core.api.throttles", network).hexdigest()[:32]
