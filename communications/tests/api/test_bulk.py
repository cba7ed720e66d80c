"""POST communications/bulk: each request for itself, the answers in their order (API-1, PERF-3)."""

import json

import pytest

from communications.models import Communication, CommunicationRequest
from communications.tests.api.bodies import a_body
from core.models import AttentionItem
from core.scopes import Scope
from core.tests.api.callers import assert_problem, codes_of, service, staff

PATH = "/api/crm/communications/bulk"
ONE = "/api/crm/communications"
NDJSON = "application/x-ndjson"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ready")]


def lines(*bodies):
    return b"\n".join(body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies)


@pytest.fixture
def send(planner):
    """Posts lines and gives the results."""

    def post(*bodies, **headers):
        response = planner.post(PATH, raw=lines(*bodies), content_type=NDJSON, **headers)
        assert response.status_code == 200, response.content
        return response.json()["results"]

    return post


def statuses(results):
    return [result["status"] for result in results]


@pytest.mark.parametrize("path", [PATH, PATH + "/"])
@pytest.mark.parametrize("as_list", [True, False])
def test_lines_and_a_list_say_the_same(planner, path, as_list):
    bodies = [a_body(), a_body()]
    raw, kind = (json.dumps(bodies).encode(), "application/json") if as_list else (lines(*bodies), NDJSON)
    answer = planner.post(path, raw=raw, content_type=kind).json()
    assert (answer["accepted"], answer["duplicates"], answer["refused"]) == (2, 0, 0)
    rows = {str(row.request_id): row for row in Communication.objects.all()}
    for index, result in enumerate(answer["results"]):
        row = rows[result["request_id"]]
        assert result == {
            "index": index,
            "status": 202,
            "request_id": str(row.request_id),
            "duplicate": False,
            "communications": [
                {
                    "communication_id": str(row.id),
                    "channel": "email",
                    "role": "primary",
                    "status": "scheduled",
                    "scheduled_at": result["communications"][0]["scheduled_at"],
                }
            ],
        }
    assert [rows[result["request_id"]].plan.reference for result in answer["results"]] == [
        body["plan_id"] for body in bodies
    ]


def test_what_is_wrong_with_one_is_told_at_its_place_and_touches_no_other(send):
    good, known = a_body(), a_body()
    taken = {**a_body(), "plan_id": good["plan_id"]}
    results = send(known, b"{", good, a_body(message_type="welcom"), taken, known, 5, a_body(context={}))
    assert statuses(results) == [202, 400, 202, 422, 409, 200, 422, 422]
    assert [result["index"] for result in results] == list(range(8))
    assert results[1]["problem"]["code"] == "invalid_json"
    assert "Line 2" in results[1]["problem"]["detail"]
    assert codes_of(results[3]["problem"]) == {"message_type": "invalid_choice"}
    assert results[4]["problem"]["code"] == "plan_of_another_client"
    assert (results[5]["request_id"], results[5]["duplicate"]) == (results[0]["request_id"], True)
    assert codes_of(results[6]["problem"]) == {"": "not_an_object"}
    assert codes_of(results[7]["problem"]) == {"context.client_name": "missing_variable"}
    assert CommunicationRequest.objects.count() == 2


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"a": "\xff"}', "invalid_utf8"),
        (b'{"a": "\x00"}', "nul_character"),
        (b'{"a": "\\ud800"}', "lone_surrogate"),
        (b'{"a": NaN}', "number_out_of_range"),
        (b"[" * 100, "too_deep"),
        (b"[" * 300_000, "too_many_values"),
    ],
)
def test_a_line_that_cannot_be_read_is_that_lines_problem(send, line, code):
    results = send(a_body(), b"", line, a_body())
    assert statuses(results) == [202, 400, 202]
    assert results[1]["problem"]["code"] in {code, "invalid_json"}
    assert "Line 3" in results[1]["problem"]["detail"]


def test_empty_lines_and_any_line_ends_do_not_count(planner):
    raw = b"\r\n" + json.dumps(a_body()).encode() + b"\r\n\r\n  \n" + json.dumps(a_body()).encode() + b"\n"
    assert planner.post(PATH, raw=raw, content_type=NDJSON).json()["accepted"] == 2


@pytest.mark.parametrize(
    ("raw", "kind", "code"),
    [
        (b"[]", "application/json", "no_requests"),
        (b"", NDJSON, "no_requests"),
        (b"\n\n", NDJSON, "no_requests"),
        (b"", "application/json", "no_requests"),
        (b"null", "application/json", "no_requests"),
        (b'{"plan_id": "p"}', "application/json", "not_a_list"),
        (b'"text"', "application/json", "not_a_list"),
        (json.dumps([1] * 1_001).encode(), "application/json", "too_many_requests"),
        (b"1\n" * 1_001, NDJSON, "too_many_requests"),
        (b"1\n" * 1_000_000, NDJSON, "too_many_requests"),
    ],
)
def test_a_call_that_is_none(planner, raw, kind, code):
    response = planner.post(PATH, raw=raw, content_type=kind)
    assert codes_of(assert_problem(response, 422, "invalid")) == {"": code}


def test_a_thousand_are_taken(planner):
    bodies = [a_body(urgency="normal") for _ in range(1_000)]
    answer = planner.post(PATH, raw=lines(*bodies), content_type=NDJSON).json()
    assert (answer["accepted"], len(answer["results"])) == (1_000, 1_000)
    again = planner.post(PATH, raw=lines(*bodies), content_type=NDJSON).json()
    assert again["duplicates"] == 1_000
    assert Communication.objects.count() == 1_000


def test_a_list_that_cannot_be_read(planner):
    assert_problem(planner.post(PATH, raw=b"[{"), 400, "invalid_json")
    too_large = planner.post(PATH, raw=b" " * (28 * 1024 * 1024 + 1), content_type=NDJSON)
    assert_problem(too_large, 413, "too_large")
    assert_problem(planner.post(PATH, raw=b"a=b", content_type="text/plain"), 415, "unsupported_media_type")


class TestKeys:
    def test_each_request_may_have_its_own(self, send):
        body = a_body(message_type="custom", context={"client_name": "P", "message": "Hello."})
        first, again = send({**body, "idempotency_key": "one"}, {"idempotency_key": "one", **body})
        assert (first["status"], again["status"]) == (202, 200)
        (other,) = send({**a_body(), "idempotency_key": "one"})
        assert codes_of(other["problem"]) == {"idempotency_key": "idempotency_key_reused"}
        (without,) = send({**a_body(), "idempotency_key": None})
        assert without["status"] == 202

    def test_it_is_the_header_of_a_single_request(self, planner, send):
        body = a_body()
        first = planner.post(ONE, body, **{"Idempotency-Key": "one"}).json()
        (again,) = send({**body, "idempotency_key": "one"})
        assert (again["status"], again["request_id"]) == (200, first["request_id"])

    @pytest.mark.parametrize("key", ["", "x" * 256, "é"])
    def test_one_that_cannot_be_one(self, send, key):
        (result,) = send({**a_body(), "idempotency_key": key})
        assert codes_of(result["problem"]) == {"idempotency_key": "invalid_idempotency_key"}

    def test_the_header_for_the_whole_call_is_refused_with_what_to_do(self, planner):
        response = planner.post(PATH, raw=lines(a_body()), content_type=NDJSON, **{"Idempotency-Key": "one"})
        assert codes_of(assert_problem(response, 422, "invalid")) == {"Idempotency-Key": "not_for_many"}
        assert not CommunicationRequest.objects.exists()

    def test_a_single_request_has_no_such_field(self, planner):
        response = planner.post(ONE, {**a_body(), "idempotency_key": "one"})
        assert codes_of(assert_problem(response, 422, "invalid")) == {"idempotency_key": "unknown_field"}


class TestRefusals:
    def test_a_service_leaves_one_item_for_each_plan_type_and_fault(self, send):
        wrong = a_body(context={})
        send(*[wrong] * 40, *[{**wrong, "client": {"email": 5}}] * 3, b"{")
        items = AttentionItem.objects.filter(kind="request_refused").order_by("-occurrences")
        assert [(item.target, item.occurrences) for item in items] == [
            (f"plan:{wrong['plan_id']}", 40),
            (f"plan:{wrong['plan_id']}", 3),
        ]
        send(wrong)
        assert AttentionItem.objects.order_by("-occurrences").first().occurrences == 41

    def test_a_person_leaves_none(self):
        person = staff("communications.add_communicationrequest")
        assert statuses(person.post(PATH, [a_body(message_type="x")]).json()["results"]) == [422]
        assert not AttentionItem.objects.exists()

    def test_the_scope_to_write_is_needed(self):
        assert_problem(service(Scope.READ).post(PATH, [a_body()]), 403, "scope_missing")


def test_supersede_is_taken_here_as_well(send):
    body = a_body()
    results = send(body, {**body, "message_type": "custom", "supersede": True})
    assert codes_of(results[1]["problem"]) == {"supersede": "no_stage"}
