"""Who may do what: tokens, sessions, scopes (SEC-7)."""

import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.test import Client

from core.scopes import Scope
from core.service_tokens import Claims, issue_access_token, issue_refresh_token
from core.tests.api.callers import ApiCaller, assert_problem, nobody, service, staff

pytestmark = [pytest.mark.urls("core.tests.api.probe_urls")]

CLAIMS = Claims(account_name="planning-agent", scopes=frozenset(Scope))


def bearer(token):
    return ApiCaller(Authorization=f"Bearer {token}")


def test_a_token_is_checked_without_the_database():
    assert service().get("/api/crm/probe").json() == {"caller": "service:planning-agent"}


def test_a_token_that_was_good_ends_at_its_time(monkeypatch):
    """Its signature is checked once by each process; its end, every time."""
    caller = bearer(issue_access_token(CLAIMS, lifetime=timedelta(minutes=5)))
    assert [caller.get("/api/crm/probe").status_code for _ in range(2)] == [200, 200]
    later = time.time() + 301
    monkeypatch.setattr("core.service_tokens.time", SimpleNamespace(time=lambda: later))
    assert_problem(caller.get("/api/crm/probe"), 401, "token_expired")


def test_head_is_a_get_without_a_body():
    caller = service(Scope.READ)
    response = caller.client.head("/api/crm/probe", headers=caller.headers)
    assert (response.status_code, response.content) == (200, b"")


def test_nobody_is_told_how_to_become_somebody():
    response = nobody().get("/api/crm/probe")
    assert_problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == 'Bearer realm="crm"'


@pytest.mark.parametrize(
    ("token", "code"),
    [
        pytest.param(lambda: "", "token_invalid", id="empty"),
        pytest.param(lambda: "nonsense", "token_invalid", id="nonsense"),
        pytest.param(lambda: "a.b.c", "token_invalid", id="no JWT"),
        pytest.param(lambda: "ünïcode", "token_invalid", id="not ASCII"),
        pytest.param(lambda: issue_access_token(CLAIMS) + "x", "token_invalid", id="tampered"),
        pytest.param(lambda: issue_refresh_token(CLAIMS), "token_invalid", id="a refresh token"),
        pytest.param(
            lambda: issue_access_token(CLAIMS, lifetime=-timedelta(seconds=1)), "token_expired", id="expired"
        ),
        pytest.param(
            lambda: "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4Iiwic2NvcGUiOiJjcm06cmVhZCIsImV4cCI6OTk5OTk5OTk5OX0.",
            "token_invalid",
            id="unsigned",
        ),
    ],
)
def test_tokens_that_are_not_valid(token, code):
    response = bearer(token()).get("/api/crm/probe")
    assert_problem(response, 401, code)
    assert response["WWW-Authenticate"] == 'Bearer realm="crm"'


def test_the_scope_that_is_missing_is_named():
    body = assert_problem(service(Scope.READ).post("/api/crm/probe", {"name": "a"}), 403, "scope_missing")
    assert "crm:write" in body["detail"]
    assert service(Scope.WRITE).post("/api/crm/probe", {"name": "a"}).status_code == 200


def test_a_method_without_a_declared_scope_is_closed_to_all():
    assert_problem(service().get("/api/crm/forgotten"), 403, "scope_missing")


@pytest.mark.django_db
class TestStaff:
    def test_permissions_become_scopes(self):
        reader = staff("communications.view_communication", "communications.view_content")
        assert reader.get("/api/crm/probe").json()["caller"].startswith("staff:")
        assert_problem(reader.post("/api/crm/probe", {"name": "a"}), 403, "scope_missing")
        writer = staff("communications.add_communicationrequest")
        assert writer.post("/api/crm/probe", {"name": "a"}).status_code == 200
        assert_problem(writer.get("/api/crm/probe"), 403, "scope_missing")
        assert_problem(staff("communications.view_communication").get("/api/crm/probe"), 403, "scope_missing")
        assert staff(superuser=True).get("/api/crm/probe").status_code == 200

    def test_a_user_who_is_not_staff_is_nobody(self):
        caller = nobody()
        caller.client.force_login(User.objects.create_user("visitor"))
        assert_problem(caller.get("/api/crm/probe"), 401, "not_authenticated")

    def test_changes_need_the_csrf_token(self):
        user = User.objects.create_superuser("s")
        caller = nobody()
        caller.client = Client(enforce_csrf_checks=True)
        caller.client.force_login(user)
        assert_problem(caller.post("/api/crm/probe", {"name": "a"}), 403, "permission_denied")
        token = caller.client.get("/admin/password_change/").context["csrf_token"]
        answer = caller.post("/api/crm/probe", {"name": "a"}, **{"X-CSRFToken": str(token)})
        assert answer.status_code == 200


class TestThrottles:
    def test_every_answer_says_what_is_left_and_the_last_says_when(self, settings):
        settings.CRM_THROTTLE_RATES = {
            **settings.CRM_THROTTLE_RATES,
            "service": {"send": "2/h", "read": "5/h"},
        }
        caller = service()
        answers = [caller.get("/api/crm/send") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert [answer["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
        assert answers[0]["X-RateLimit-Limit"] == "2"
        assert 0 < int(answers[2]["X-RateLimit-Reset"]) <= 7200
        assert 0 < int(answers[2]["Retry-After"]) <= 7200
        assert_problem(answers[2], 429, "throttled")

    def test_kinds_and_callers_are_counted_apart(self, settings):
        settings.CRM_THROTTLE_RATES = {
            **settings.CRM_THROTTLE_RATES,
            "service": {"send": "1/h", "read": "1/h"},
        }
        assert service().get("/api/crm/send").status_code == 200
        assert service().get("/api/crm/probe").status_code == 200
        assert service(name="other").get("/api/crm/probe").status_code == 200
        assert service().get("/api/crm/probe").status_code == 429

    @pytest.mark.django_db
    def test_people_have_rates_of_their_own(self, settings):
        settings.CRM_THROTTLE_RATES = {
            **settings.CRM_THROTTLE_RATES,
            "interactive": {"send": "1/h", "read": "1/h"},
        }
        person = staff(superuser=True)
        assert [person.get("/api/crm/probe").status_code for _ in range(2)] == [200, 429]

    def test_without_a_cache_everybody_may(self, settings):
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "unix:///nowhere.sock"}}
        response = service().get("/api/crm/probe")
        assert response.status_code == 200
        assert "X-RateLimit-Limit" not in response
