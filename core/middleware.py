import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from core.api.principals import Caller
from core.logs import get_logger

logger = get_logger("request")

GetResponse = Callable[[HttpRequest], HttpResponseBase]

_API_PREFIX = "/api/crm/"
# Long enough that it is no name, without the signs that addresses need.
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{15,63}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


class RequestLogMiddleware:
    """One line per request: the route's pattern, never the path or the query, which may hold personal data.

    Every answer carries X-Request-Id: the caller's own if it is sane, else one made here; log lines of the
    request carry it too.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.monotonic()
        request_id = _request_id(request)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            response = self.get_response(request)
            response["X-Request-Id"] = request_id
            logger.info(
                "request",
                method=request.method if request.method in _METHODS else "other",
                route=_route(request),
                caller=_caller(request),
                status=response.status_code,
                duration_ms=round((time.monotonic() - started) * 1000, 1),
            )
            return response
        finally:
            structlog.contextvars.clear_contextvars()


class OptionalTrailingSlashMiddleware:
    """The API's paths mean the same with and without a slash at the end, whatever the method; no redirect.

    `request.path` keeps what the caller wrote: signatures over the URL are checked against it.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(_API_PREFIX) and request.path_info.endswith("/"):
            request.path_info = request.path_info[:-1]
        return self.get_response(request)


def _request_id(request: HttpRequest) -> str:
    given = request.headers.get("X-Request-Id", "")
    return given if _SANE_REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


def _caller(request: HttpRequest) -> str | None:
    # By its exact type: asking a session's lazy user anything would cost a query.
    user = getattr(request, "user", None)
    return user.reference if type(user) is Caller else None


def _route(request: HttpRequest) -> str:
    match = request.resolver_match
    return match.route if match is not None else "unmatched"
