import json
import logging
import re

import pytest

from core.logs import RedactingJsonFormatter
from core.tests.api.callers import ApiCaller, assert_problem, nobody, service

pytestmark = [pytest.mark.urls("core.tests.api.probe_urls"), pytest.mark.django_db]

CANARY = "priya.sharma@example.com"


@pytest.fixture
def request_lines(caplog):
    """The lines about requests, as the product writes them."""
    caplog.set_level(logging.INFO)
    caplog.handler.setFormatter(RedactingJsonFormatter())

    def read():
        lines = [json.loads(line) for line in caplog.text.splitlines()]
        return [line for line in lines if line["event"] == "request"]

    return read


def test_one_line_per_request_with_the_route_not_the_path(request_lines):
    caller = service()
    caller.get(f"/api/crm/fails/{CANARY}?q={CANARY}")
    caller.get(f"/{CANARY}")
    known, unknown = request_lines()
    assert (known["method"], known["route"], known["status"]) == ("GET", "api/crm/fails/<str:kind>", 500)
    assert known["duration_ms"] >= 0
    assert (known["caller"], unknown["caller"]) == ("service:planning-agent", None)
    assert (unknown["route"], unknown["status"]) == ("unmatched", 404)
    assert CANARY not in str([known, unknown])


def test_a_method_of_the_callers_own_invention_is_not_logged(request_lines):
    service().client.generic("PRIYA", "/api/crm/probe")
    assert [line["method"] for line in request_lines()] == ["other"]


def test_the_callers_request_id_comes_back_and_into_the_log(request_lines):
    given = "0b5e2c7a-7b7e-4a63-9b3e-1d2f3a4b5c6d"
    response = service().get("/api/crm/probe", **{"X-Request-Id": given})
    assert response["X-Request-Id"] == given
    assert [line["request_id"] for line in request_lines()] == [given]


@pytest.mark.parametrize("given", ["", "short", CANARY, "a b" * 10, "x" * 65, "é" * 20, "x\ny" * 10])
def test_an_odd_request_id_is_replaced(given, request_lines):
    response = ApiCaller(**{"X-Request-Id": given}).get("/api/crm/probe")
    assert re.fullmatch(r"[0-9a-f-]{36}", response["X-Request-Id"])
    assert [line["request_id"] for line in request_lines()] == [response["X-Request-Id"]]


@pytest.mark.parametrize("path", ["/api/crm/probe", "/api/crm/probe/"])
def test_api_paths_work_with_and_without_a_slash_at_the_end(path):
    assert service().get(path).status_code == 200
    assert service().post(path, {"name": "a"}).status_code == 200


def test_only_one_slash_and_only_in_the_api():
    assert_problem(service().get("/api/crm/probe//"), 404, "not_found")
    assert nobody().get("/pages/fine/").status_code == 200
    assert nobody().get("/pages/fine").status_code == 404


def test_pages_have_a_strict_policy():
    policy = nobody().get("/pages/fine/")["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
