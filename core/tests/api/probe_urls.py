"""Views that do nothing but show what the foundation does around them."""

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpResponse
from django.urls import path
from rest_framework.response import Response

from core.api.base import ApiView
from core.api.fields import StrictBooleanField, StrictCharField, StrictSerializer
from core.errors import Conflict, FieldProblem, Invalid, NotFound, TooLarge, Unavailable, Unreadable
from core.scopes import Scope
from crm_project.urls import handler400, handler403, handler404, handler500, urlpatterns  # noqa: F401 - the real ones

SECRET = "a-canary-that-no-answer-may-show"

FAILURES = {
    "bug": lambda: RuntimeError(SECRET),
    "database": lambda: OperationalError(SECRET),
    "unreadable": lambda: Unreadable(SECRET),
    "missing": lambda: Http404(SECRET),
    "denied": lambda: PermissionDenied(SECRET),
    "suspicious": lambda: SuspiciousOperation(SECRET),
    "not-found": lambda: NotFound("No such thing.", code="thing_not_found"),
    "conflict": lambda: Conflict("Already there.", code="thing_exists"),
    "too-large": lambda: TooLarge("Too much."),
    "unavailable": lambda: Unavailable("Both are down."),
    "invalid": lambda: Invalid([FieldProblem("client.email", "invalid_email", "No address.")]),
}


class Inner(StrictSerializer):
    flag = StrictBooleanField()


class Outer(StrictSerializer):
    name = StrictCharField(max_length=5)
    inner = Inner(required=False)
    many = Inner(many=True, required=False)


class EchoView(ApiView):
    required_scopes = {"GET": Scope.READ, "POST": Scope.WRITE}
    max_body_bytes = 2_000

    def get(self, request):
        return Response({"caller": self.caller.reference})

    def post(self, request):
        return Response(Outer.checked(request.data))


class SendView(EchoView):
    throttle_kind = "send"


class ForgottenView(ApiView):
    def get(self, request):
        return Response({})


class FailingView(ApiView):
    required_scopes = {"GET": Scope.READ}

    def get(self, request, kind):
        raise FAILURES[kind]()


def broken_page(request, name=None):
    raise RuntimeError(SECRET)


urlpatterns = [
    path("api/crm/probe", EchoView.as_view(), name="probe"),
    path("api/crm/send", SendView.as_view()),
    path("api/crm/forgotten", ForgottenView.as_view()),
    path("api/crm/fails/<str:kind>", FailingView.as_view()),
    path("api/broken", broken_page),
    path("pages/broken/<str:name>", broken_page),
    path("pages/fine/", lambda request: HttpResponse("fine")),
    *urlpatterns,
]
