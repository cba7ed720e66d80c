"""Errors as RFC 9457 problems. HTTP statuses live here and in views, nowhere below."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.views import defaults
from rest_framework import exceptions as drf
from rest_framework.views import set_rollback

from core import errors
from core.errors import CrmError, FieldProblem
from core.logs import get_logger
from core.service_accounts import CredentialsError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
_MAX_FIELD_PROBLEMS = 100

logger = get_logger("api")

_STATUS_OF_ERROR: dict[type[CrmError], HTTPStatus] = {
    errors.Malformed: HTTPStatus.BAD_REQUEST,
    CredentialsError: HTTPStatus.UNAUTHORIZED,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
_SENTENCES: dict[type[drf.APIException], str] = {
    drf.NotAuthenticated: "Send an access token from POST /api/crm/token as 'Authorization: Bearer …'.",
    drf.MethodNotAllowed: "This address does not answer that method; the Allow header lists those it does.",
    drf.UnsupportedMediaType: "Send JSON, with the header 'Content-Type: application/json'.",
    drf.Throttled: "Too many requests for now. Wait as many seconds as Retry-After says, then go on.",
    drf.NotFound: "Nothing is here. Check the address and the id.",
}


@dataclass(frozen=True)
class Problem:
    """One answer that is an error; `code` is stable, `detail` says what to do next."""

    status: int
    code: str
    detail: str
    errors: tuple[FieldProblem, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


_UNREADABLE = (SuspiciousOperation, BadRequest, MultiPartParserError, UnreadablePostError)
# The first that fits; a body that is too big is suspicious too.
_DJANGO: tuple[tuple[tuple[type[Exception], ...], Problem], ...] = (
    ((Http404,), Problem(HTTPStatus.NOT_FOUND, "not_found", _SENTENCES[drf.NotFound])),
    (
        (PermissionDenied,),
        Problem(HTTPStatus.FORBIDDEN, "permission_denied", "You are not allowed to do this."),
    ),
    (
        (RequestDataTooBig,),
        Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", "The body is larger than allowed here."),
    ),
    (
        _UNREADABLE,
        Problem(
            HTTPStatus.BAD_REQUEST,
            "bad_request",
            "The request cannot be read. Check address and headers.",
        ),
    ),
)
_NO_DATABASE = Problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "database_unavailable",
    "The database cannot be reached right now. Try again after Retry-After seconds.",
    headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
)
_UNEXPECTED = Problem(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "internal_error",
    "Something went wrong on our side. Try again; if it stays, tell us the X-Request-Id of this answer.",
)


class ProblemResponse(HttpResponse):
    """A plain response: it needs no renderer, so no Accept header can turn it into something else."""

    def __init__(self, problem: Problem, request: HttpRequest) -> None:
        body = problem_body(problem, request.path)
        super().__init__(
            json.dumps(body), status=problem.status, content_type=MEDIA_TYPE, headers=dict(problem.headers)
        )


def problem_body(problem: Problem, path: str) -> dict[str, Any]:
    """What a problem says to the caller who asked for `path`."""
    body: dict[str, Any] = {
        "type": f"urn:crm:problem:{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": int(problem.status),
        "detail": problem.detail,
        "instance": path,
        "code": problem.code,
    }
    if problem.errors:
        body["errors"] = [asdict(each) for each in problem.errors]
    return body


def exception_handler(exc: Exception, context: dict[str, Any]) -> HttpResponseBase:
    """DRF's EXCEPTION_HANDLER: every exception of an API view becomes a problem."""
    set_rollback()
    return ProblemResponse(describe(exc), context["request"]._request)


def describe(exc: Exception) -> Problem:
    """Never shows the text of an exception that was not written for callers."""
    if isinstance(exc, CrmError) and isinstance(exc, tuple(_STATUS_OF_ERROR)):
        return _from_ours(exc)
    if isinstance(exc, drf.APIException):
        return _from_drf(exc)
    for kinds, problem in _DJANGO:
        if isinstance(exc, kinds):
            return problem
    if isinstance(exc, OperationalError | InterfaceError):
        logger.error("database not available", exc_info=exc)
        return _NO_DATABASE
    logger.error("unexpected error", exc_info=exc)
    return _UNEXPECTED


def _from_ours(exc: CrmError) -> Problem:
    status = next(status for kind, status in _STATUS_OF_ERROR.items() if isinstance(exc, kind))
    headers = {}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="crm"'
    problems = tuple(exc.problems) if isinstance(exc, errors.Invalid) else ()
    return Problem(status, exc.code, exc.detail, problems[:_MAX_FIELD_PROBLEMS], headers)


def _from_drf(exc: drf.APIException) -> Problem:
    if isinstance(exc, drf.ValidationError):
        return _from_ours(errors.Invalid(field_problems(exc)))
    headers = {}
    if header := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if isinstance(exc, drf.Throttled):
        headers["Retry-After"] = str(max(1, math.ceil(getattr(exc, "wait", None) or 1)))
    codes = exc.get_codes()
    return Problem(
        exc.status_code,
        codes if isinstance(codes, str) else exc.default_code,
        _SENTENCES.get(type(exc), str(exc.detail)),
        headers=headers,
    )


def field_problems(refusal: errors.Invalid | drf.ValidationError) -> list[FieldProblem]:
    """What is wrong with which field, whoever found it."""
    return refusal.problems if isinstance(refusal, errors.Invalid) else list(_flatten(refusal.detail))


def _flatten(detail: Any, path: str = "") -> Iterator[FieldProblem]:
    """DRF's nested error details as one list; `client.email`, `attachments.0.url` name the place."""
    if isinstance(detail, Mapping):
        for key, inner in detail.items():
            own = path if key == "non_field_errors" else f"{path}.{key}".strip(".")
            yield from _flatten(inner, own)
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            yield from _flatten(inner, f"{path}.{index}".strip(".") if isinstance(inner, Mapping) else path)
    else:
        yield FieldProblem(field=path, code=getattr(detail, "code", "invalid"), message=str(detail))


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler400: hosts that are not ours, too many fields, broken forms."""
    if _is_api(request):
        return ProblemResponse(describe(exception), request)
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if _is_api(request):
        return ProblemResponse(describe(exception), request)
    return defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if _is_api(request):
        return ProblemResponse(describe(exception), request)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Django has logged the exception (core.logs lets that line through); this answer holds nothing of it."""
    if _is_api(request):
        return ProblemResponse(_UNEXPECTED, request)
    return defaults.server_error(request)
