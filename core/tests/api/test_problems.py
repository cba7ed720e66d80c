import json

import pytest

from core.tests.api.callers import assert_problem, codes_of, nobody, service
from core.tests.api.probe_urls import SECRET

pytestmark = [pytest.mark.urls("core.tests.api.probe_urls"), pytest.mark.django_db]


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("bug", 500, "internal_error"),
        ("unreadable", 500, "internal_error"),
        ("database", 503, "database_unavailable"),
        ("unavailable", 503, "unavailable"),
        ("missing", 404, "not_found"),
        ("denied", 403, "permission_denied"),
        ("suspicious", 400, "bad_request"),
        ("not-found", 404, "thing_not_found"),
        ("conflict", 409, "thing_exists"),
        ("too-large", 413, "too_large"),
        ("invalid", 422, "invalid"),
    ],
)
def test_every_failure_is_a_problem_without_its_text(kind, status, code):
    response = service().get(f"/api/crm/fails/{kind}")
    body = assert_problem(response, status, code)
    assert body["instance"] == f"/api/crm/fails/{kind}"
    assert SECRET not in response.text
    assert (status == 503) == ("Retry-After" in response)


def test_a_failure_outside_the_api_views_is_a_problem_too():
    response = nobody().get("/api/broken")
    assert_problem(response, 500, "internal_error")
    assert SECRET not in response.text


@pytest.mark.parametrize("path", ["/api/broken", "/pages/broken/asha"])
def test_a_bug_outside_the_api_views_is_logged_once_as_type_and_places(log, path):
    """SEC-4, OPS"""
    assert nobody().get(path).status_code == 500
    (line,) = [line for line in log.lines() if "exception" in line]
    assert (line["level"], line["event"], line["component"]) == (
        "error",
        "unexpected error",
        "django.request",
    )
    assert line["exception"][0]["type"] == "builtins.RuntimeError"
    assert line["exception"][0]["frames"][-1].startswith("tests/api/probe_urls.py:")
    assert line["exception"][0]["frames"][-1].endswith(" broken_page")
    assert line["request_id"]
    assert SECRET not in log.stream.getvalue()
    log.assert_clean()


@pytest.mark.parametrize("path", ["/nothing-here", "/api/crm/fails/bug"])
def test_what_was_answered_in_order_is_not_logged_by_django_too(log, path):
    service().get(path)
    assert "django.request" not in {line["component"] for line in log.lines()}


def test_unknown_addresses():
    assert_problem(nobody().get("/api/crm/nothing-here"), 404, "not_found")
    assert_problem(nobody().get("/api/crm"), 404, "not_found")
    assert_problem(nobody().post("/api/crm/%00/%ff"), 404, "not_found")
    page = nobody().get("/nothing-here")
    assert (page.status_code, page["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_a_host_that_is_not_ours():
    assert_problem(nobody().get("/api/crm/probe", Host="evil.example"), 400, "bad_request")


def test_too_many_query_parameters():
    response = service().get("/api/crm/communications?" + "&".join(f"a{n}=1" for n in range(1_100)))
    assert_problem(response, 400, "bad_request")


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*", "nonsense"])
def test_answers_are_json_whatever_is_accepted(accept):
    assert service().get("/api/crm/probe", Accept=accept).json() == {"caller": "service:planning-agent"}
    assert_problem(service().get("/api/crm/fails/bug", Accept=accept), 500, "internal_error")


def test_a_format_parameter_chooses_nothing():
    assert service().get("/api/crm/probe", {"format": "xml"}).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PRIYA"])
def test_other_methods(method):
    response = service().client.generic(method, "/api/crm/probe", headers=service().headers)
    assert_problem(response, 405, "method_not_allowed")
    assert response["Allow"] == "GET, POST, HEAD"


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        ([], {"": "not_an_object"}),
        ("text", {"": "not_an_object"}),
        (None, {"name": "required"}),
        ({"name": 5}, {"name": "wrong_type"}),
        ({"name": True}, {"name": "wrong_type"}),
        ({"name": ["a"]}, {"name": "wrong_type"}),
        ({"name": None}, {"name": "null"}),
        ({"name": " "}, {"name": "blank"}),
        ({"name": "far too long"}, {"name": "max_length"}),
        ({"name": "a", "nmae": "a"}, {"nmae": "unknown_field"}),
        ({"nmae": "a"}, {"name": "required", "nmae": "unknown_field"}),
        ({"name": "a", "inner": 1}, {"inner": "not_an_object"}),
        (
            {"name": "a", "inner": {"flag": "yes", "x": 1}},
            {"inner.flag": "wrong_type", "inner.x": "unknown_field"},
        ),
        ({"name": "a", "many": {"flag": True}}, {"many": "not_a_list"}),
        ({"name": "a", "many": [{"flag": True}, {"flag": 1}]}, {"many.1.flag": "wrong_type"}),
    ],
)
def test_every_field_that_is_wrong_is_named(body, problems):
    raw = None if body is not None else b"{}"
    found = assert_problem(service().post("/api/crm/probe", body, raw=raw), 422, "invalid")
    assert codes_of(found) == problems
    assert all(error["message"].endswith(".") for error in found["errors"])


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b'{"name": ', "invalid_json"),
        (b'{"name": "\xff"}', "invalid_utf8"),
        (b'{"name": "\x00"}', "nul_character"),
        (b'{"name": "\\u0000"}', "nul_character"),
        (b"[" * 1_500, "too_deep"),
    ],
)
def test_a_body_that_cannot_be_read(raw, code):
    assert_problem(service().post("/api/crm/probe", raw=raw), 400, code)


def test_a_body_that_is_too_large_by_its_own_word_is_not_read():
    body = json.dumps({"name": "x" * 2_000}).encode()
    assert_problem(service().post("/api/crm/probe", raw=body), 413, "too_large")


def test_a_body_that_is_larger_than_it_says_is_cut_off():
    caller = service()
    response = caller.client.generic(
        "POST",
        "/api/crm/probe",
        b" " * 2_001,
        content_type="application/json",
        CONTENT_LENGTH="junk",
        headers=caller.headers,
    )
    # A length that is no number counts as none: WSGI gives no body then.
    assert_problem(response, 422, "invalid")


def test_a_chunked_body_is_refused_rather_than_taken_for_empty():
    caller = service()
    response = caller.client.generic(
        "POST",
        "/api/crm/probe",
        content_type="application/json",
        headers={**caller.headers, "Transfer-Encoding": "chunked"},
    )
    assert_problem(response, 411, "length_required")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json", "x" * 300],
)
def test_bodies_of_another_type(content_type):
    response = service().post("/api/crm/probe", raw=b"name=a", content_type=content_type)
    assert_problem(response, 415, "unsupported_media_type")
