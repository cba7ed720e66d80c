"""Guard: every address of the project needs a caller or stands in the list of public ones (SEC-7)."""

import re
import uuid

import pytest
from django.contrib.auth.models import User
from django.urls import URLPattern, URLResolver, get_resolver

from core.api.base import ApiView
from core.api.permissions import HasScope
from core.tests.api.callers import assert_problem, nobody

PUBLIC = {
    "login/": "where staff sign in",
    "logout/": "leads there",
    "api/crm/token": "takes name and secret",
    "api/crm/token/refresh": "takes a refresh token",
    "api/crm/health": "for load balancers",
    "api/crm/health/live": "for load balancers",
    "api/crm/health/ready": "for load balancers",
    "api/crm/schema": "the documentation",
    "api/crm/docs": "the documentation",
    "u/<str:token>": "the client's, by its signed link",
    "u/<str:token>/": "the same",
    "api/crm/webhooks/email/raw": "takes a shared secret",
    "p/<str:token>": "the client's, by its signed link",
    "p/<str:token>/": "the same",
}
METHODS = ("get", "post", "put", "patch", "delete")


def walk(patterns, prefix=""):
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from walk(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route, pattern.callback


ALL = dict(walk(get_resolver("crm_project.urls").url_patterns))
ADMIN = {route: view for route, view in ALL.items() if route.startswith("admin/")}
API = {route: view for route, view in ALL.items() if route.startswith("api/") and route not in PUBLIC}
PAGES = {route: view for route, view in ALL.items() if route not in PUBLIC | ADMIN | API}


def path_of(route):
    with_ids = re.sub(r"<uuid:\w+>", str(uuid.uuid4()), route)
    return "/" + re.sub(r"<(?:\w+:)?\w+>", "1", with_ids)


def test_the_list_of_public_addresses_names_what_exists():
    assert set(PUBLIC) <= set(ALL)


@pytest.mark.parametrize("route", API)
def test_a_view_of_the_api_declares_a_scope_for_everything_it_answers(route):
    view = API[route].cls
    assert issubclass(view, ApiView)
    assert view.permission_classes == [HasScope]
    assert view.authentication_classes
    answered = {method.upper() for method in METHODS if hasattr(view, method)}
    assert set(view.required_scopes) == answered


@pytest.mark.parametrize("route", API)
def test_nobody_gets_in(route):
    caller = nobody()
    for method in METHODS:
        response = caller.client.generic(
            method.upper(), path_of(route), b"{}", content_type="application/json"
        )
        assert_problem(response, 401, "not_authenticated")


@pytest.mark.parametrize("route", PAGES)
def test_a_page_sends_strangers_to_the_login(route):
    path = path_of(route)
    response = nobody().client.get(path)
    assert (response.status_code, response["Location"]) == (302, f"/login/?next={path}")
    assert nobody().client.post(path)["Location"].startswith("/login/?next=")


@pytest.mark.parametrize("route", PAGES)
@pytest.mark.django_db
def test_a_page_is_closed_to_who_has_no_role(route):
    browser = nobody().client
    browser.force_login(User.objects.create_user("newcomer", is_staff=True))
    assert browser.get(path_of(route)).status_code == 403


@pytest.mark.django_db
@pytest.mark.parametrize("route", ADMIN)
def test_the_admin_sends_strangers_to_its_login(route):
    response = nobody().client.get("/" + re.sub(r"<[^>]+>", "1", route.replace("(?P<url>.*)$", "x")))
    if route == "admin/login/":
        assert (response.status_code, response["Location"]) == (302, "/login/?next=/admin/")
    elif route == "admin/logout/":
        assert (response.status_code, response["Location"]) == (302, "/admin/")
    else:
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/?next=")
