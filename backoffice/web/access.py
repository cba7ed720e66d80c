"""Who may open a page. Staff only, by Django's permissions, as in the admin and the API."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from urllib.parse import urlsplit

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import url_has_allowed_host_and_scheme

Parameters = ParamSpec("Parameters")


class StaffRequest(HttpRequest):
    """A request that `staff_page` let in."""

    user: User


def actor_of(user: User) -> str:
    """How audit rows name a member of staff."""
    return f"staff:{user.pk}"


def staff_page(
    *any_of: str,
) -> Callable[
    [Callable[Concatenate[StaffRequest, Parameters], HttpResponseBase]],
    Callable[Concatenate[HttpRequest, Parameters], HttpResponseBase],
]:
    """Lets in staff who hold any of these permissions. Strangers go to the login and come back; others get 403."""

    def decorate(
        view: Callable[Concatenate[StaffRequest, Parameters], HttpResponseBase],
    ) -> Callable[Concatenate[HttpRequest, Parameters], HttpResponseBase]:
        @wraps(view)
        def guarded(
            request: HttpRequest, /, *args: Parameters.args, **kwargs: Parameters.kwargs
        ) -> HttpResponseBase:
            user = request.user
            if not user.is_authenticated:
                return _to_login(request)
            if not user.is_staff or not any(user.has_perm(permission) for permission in any_of):
                raise PermissionDenied
            return view(request, *args, **kwargs)  # type: ignore[arg-type]  # user is a User: checked above

        return guarded

    return decorate


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks, which puts the answer into the page that is open."""
    return request.headers.get("HX-Request") == "true"


def _to_login(request: HttpRequest) -> HttpResponseBase:
    """A fragment cannot go there by itself: it tells its page to load again."""
    if wants_fragment(request):
        return HttpResponse(status=401, headers={"HX-Refresh": "true"})
    return redirect_to_login(_way_back(request))


def _way_back(request: HttpRequest) -> str:
    """Where to go on after signing in: this page, or for a form that was sent the page that it stood on."""
    if request.method in {"GET", "HEAD"}:
        return request.get_full_path()
    sent_from = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(sent_from, {request.get_host()}):
        return "/"
    parts = urlsplit(sent_from)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
