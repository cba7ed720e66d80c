"""How often a caller may call. Counted in the cache. Without the cache callers who have a name may go on;
sign-in attempts are then counted by each process for itself."""

import ipaddress
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from redis import Redis
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from core.api.principals import CallerKind, caller_of
from core.api.rates import Rate, Usage, measure
from core.shared_state import shared_key, with_shared_state

if TYPE_CHECKING:  # views load their throttle classes while they are being defined
    from rest_framework.views import APIView

# So many networks are remembered by one process while the cache is away; beyond that the oldest is forgotten.
_MAX_LOCAL_NETWORKS = 10_000


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
        identity = caller.reference if caller else network_of(request._request)
        rates = settings.CRM_THROTTLE_RATES[caller.kind if caller else CallerKind.INTERACTIVE]
        usage = count_call(f"{kind}:{identity}", Rate.parse(rates[kind]), at=time.time())
        return True if usage is None else self._conclude(view, usage)

    def wait(self) -> float | None:
        return None if self.usage is None else float(self.usage.wait_seconds)

    def _conclude(self, view: "APIView", usage: Usage) -> bool:
        self.usage = view.rate_usage = usage  # type: ignore[attr-defined]  # read by ApiView.finalize_response
        return usage.allowed


class TokenThrottle(CallerThrottle):
    """Sign-in attempts, by network: guessing a secret must not be quick."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        return self._conclude(view, count_sign_in(request._request))


def count_sign_in(request: HttpRequest) -> Usage:
    """Counts one attempt to sign in, to the API or to the admin, from the network of this request.

    Never open: while the cache is away this process counts alone, so that an attacker gets at most as many
    times the rate as there are web processes.
    """
    identity = f"token:{network_of(request)}"
    rate = Rate.parse(settings.CRM_THROTTLE_RATES["token"])
    at = time.time()
    return count_call(identity, rate, at=at) or _local_counts.count(identity, rate, at=at)


def count_call(identity: str, rate: Rate, *, at: float) -> Usage | None:
    """Counts one call at `at` (Unix seconds) unless it is refused. None: the cache is away. One round trip."""
    window, elapsed = divmod(at, rate.period_seconds)
    current_key, previous_key = (
        shared_key(f"rate:{identity}:{rate.period_seconds}:{int(window) - back}") for back in (0, 1)
    )

    def count(client: Redis) -> Usage:
        pipe = client.pipeline(transaction=False)
        pipe.incr(current_key)
        pipe.expire(current_key, 2 * rate.period_seconds)
        pipe.get(previous_key)
        current, _, previous = pipe.execute()
        usage = measure(rate, current=current, previous=int(previous or 0), elapsed_seconds=elapsed)
        if not usage.allowed:
            client.decr(current_key)
        return usage

    return with_shared_state(count)


class LocalCounts:
    """Counts of this process, in place of the cache's. Any number of threads may count at once."""

    def __init__(self, *, max_identities: int) -> None:
        self._max_identities = max_identities
        self._lock = threading.Lock()
        # identity -> (window, calls in it, calls in the one before); the one that was counted longest ago first
        self._counts: OrderedDict[str, tuple[int, int, int]] = OrderedDict()

    def count(self, identity: str, rate: Rate, *, at: float) -> Usage:
        """As `count_call`."""
        window, elapsed = divmod(at, rate.period_seconds)
        with self._lock:
            known, current, previous = self._counts.pop(identity, (int(window), 0, 0))
            if known != int(window):
                current, previous = 0, current if known == int(window) - 1 else 0
            usage = measure(rate, current=current + 1, previous=previous, elapsed_seconds=elapsed)
            self._counts[identity] = (int(window), current + usage.allowed, previous)
            if len(self._counts) > self._max_identities:
                self._counts.popitem(last=False)
        return usage


_local_counts = LocalCounts(max_identities=_MAX_LOCAL_NETWORKS)


def remote_address(request: HttpRequest) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Where a request comes from; None where that is no address, as on a socket.

    Behind a proxy (CRM_BEHIND_PROXY) it is the address that the proxy added, the last of X-Forwarded-For.
    """
    address = request.META.get("REMOTE_ADDR", "")
    if settings.SECURE_PROXY_SSL_HEADER:
        address = request.META.get("HTTP_X_FORWARDED_FOR", address).rpartition(",")[2].strip()
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


def network_of(request: HttpRequest) -> str:
    """A keyed hash of the caller's network: an IPv4 address, or the IPv6 /64 that one subscriber holds."""
    parsed = remote_address(request)
    if parsed is None:
        network = "unknown"
    else:
        prefix = 64 if parsed.version == 6 else 32
        network = str(ipaddress.ip_network(f"{parsed}/{prefix}", strict=False))
    return salted_hmac("core.api.throttles", network).hexdigest()[:32]
