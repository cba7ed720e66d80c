from typing import Any, ClassVar

from django.http import HttpRequest
from rest_framework.exceptions import APIException, NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.api.negotiation import FirstRenderer
from core.api.parsers import DEFAULT_MAX_BODY_BYTES
from core.api.principals import Caller, caller_of
from core.api.rates import Usage
from core.scopes import Scope


class LengthRequired(APIException):
    status_code = 411
    default_code = "length_required"
    default_detail = "Send the body with a Content-Length header; chunked bodies are not read here."


# Docstrings of views and serializers are part of the API's documentation; this class is none of its subjects.
# What every view of the API starts from; a view says which scope each method needs.
class ApiView(APIView):
    required_scopes: ClassVar[dict[str, Scope]] = {}
    throttle_kind: ClassVar[str | None] = None
    max_body_bytes = DEFAULT_MAX_BODY_BYTES
    content_negotiation_class = FirstRenderer
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    rate_usage: Usage | None = None

    @property
    def caller(self) -> Caller:
        """Who was let in. Only for views with HasScope, which answer nobody else."""
        caller = caller_of(self.request)
        if caller is None:
            raise NotAuthenticated
        return caller

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # WSGI gives such a body as empty: better refused than taken for an empty one.
        if request.META.get("HTTP_TRANSFER_ENCODING") and not request.META.get("CONTENT_LENGTH"):
            raise LengthRequired

    def finalize_response(
        self, request: HttpRequest | Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        # Where a request cannot even be wrapped, DRF passes Django's own.
        finished: Response = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]
        if self.rate_usage is not None:
            finished["X-RateLimit-Limit"] = str(self.rate_usage.limit)
            finished["X-RateLimit-Remaining"] = str(self.rate_usage.remaining)
            finished["X-RateLimit-Reset"] = str(self.rate_usage.reset_seconds)
        finished["Cache-Control"] = "no-store"
        return finished
