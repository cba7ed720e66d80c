"""Callers for tests of the API, from the outside: Django's client through the real middleware."""

import json
import uuid
from copy import deepcopy

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from core.scopes import Scope
from core.service_tokens import Claims, issue_access_token

ALL_SCOPES = frozenset(Scope)


@pytest.fixture(autouse=True)
def own_cache(settings):
    """Keys of its own for every test: throttles of one never count for another."""
    caches = deepcopy(settings.CACHES)
    caches["default"]["KEY_PREFIX"] = f"test-{uuid.uuid4()}"
    settings.CACHES = caches


class ApiCaller:
    """Sends JSON as one caller and reads what comes back."""

    def __init__(self, **headers):
        # A bug must show as the 500 that a caller would see, not as an exception of the test client.
        self.client = Client(raise_request_exception=False)
        self.headers = headers

    def get(self, path, query=None, **headers):
        return self.client.get(path, query, headers={**self.headers, **headers})

    def post(self, path, body=None, *, raw=None, content_type="application/json", **headers):
        data = raw if raw is not None else json.dumps({} if body is None else body).encode()
        return self.client.generic(
            "POST", path, data, content_type=content_type, headers={**self.headers, **headers}
        )

    def patch(self, path, body=None, **headers):
        return self.client.generic(
            "PATCH",
            path,
            json.dumps(body or {}).encode(),
            content_type="application/json",
            headers={**self.headers, **headers},
        )


def service(*scopes, name="planning-agent"):
    claims = Claims(account_name=name, scopes=frozenset(scopes) if scopes else ALL_SCOPES)
    return ApiCaller(Authorization=f"Bearer {issue_access_token(claims)}")


def nobody():
    return ApiCaller()


def staff(*permissions, superuser=False):
    """A signed-in member of staff; `permissions` as `app.codename`."""
    user = User.objects.create_user(f"s{uuid.uuid4().hex[:8]}", is_staff=True, is_superuser=superuser)
    for name in permissions:
        app, codename = name.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    caller = ApiCaller()
    caller.client.force_login(user)
    return caller


def assert_problem(response, status, code):
    """RFC 9457, with all members that api.md names; returns the body."""
    assert response.status_code == status, response.content[:500]
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert {"type", "title", "status", "detail", "instance", "code"} <= set(body)
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"urn:crm:problem:{code}"
    assert response["X-Request-Id"]
    return body


def codes_of(body):
    """The errors of a 422 as {field: code}."""
    return {error["field"]: error["code"] for error in body["errors"]}
