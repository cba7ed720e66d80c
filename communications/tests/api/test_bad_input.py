"""Whatever comes in: the right status, a problem that names what is wrong, and nothing stored (API-1)."""

import json

import pytest
from django.apps import apps

from communications.tests.api.bodies import a_body
from core.models import AttentionItem
from core.tests.api.callers import assert_problem, codes_of, nobody, service

PATH = "/api/crm/communications"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ready")]


def row_counts():
    """Rows of every table of ours but the attention items."""
    return {
        model._meta.label: model.objects.count()
        for model in apps.get_models()
        if model._meta.db_table.startswith("crm_") and model is not AttentionItem
    }


@pytest.fixture
def refused(planner):
    """Posts a body and demands that nothing is stored."""

    def post(body=None, **more):
        before = row_counts()
        response = planner.post(PATH, body, **more)
        assert row_counts() == before
        return response

    return post


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        pytest.param({"plan_id": ...}, {"plan_id": "required"}, id="no plan"),
        pytest.param({"client_id": ...}, {"client_id": "required"}, id="no client"),
        pytest.param({"message_type": ...}, {"message_type": "required"}, id="no type"),
        pytest.param({"context": ...}, {"context": "required"}, id="no context"),
        pytest.param({"plan_id": None}, {"plan_id": "null"}, id="null plan"),
        pytest.param({"plan_id": 7}, {"plan_id": "wrong_type"}, id="number as plan"),
        pytest.param({"plan_id": True}, {"plan_id": "wrong_type"}, id="boolean as plan"),
        pytest.param({"plan_id": ["p"]}, {"plan_id": "wrong_type"}, id="list as plan"),
        pytest.param({"plan_id": "a b"}, {"plan_id": "invalid_reference"}, id="space in a reference"),
        pytest.param({"plan_id": "p" * 65}, {"plan_id": "invalid_reference"}, id="long reference"),
        pytest.param({"client_id": "é"}, {"client_id": "invalid_reference"}, id="letters of others"),
        pytest.param({"client_id": "x\n"}, {"client_id": "invalid_reference"}, id="line break"),
        pytest.param({"client_id": ""}, {"client_id": "stands_for_nobody"}, id="empty client"),
        pytest.param({"client_id": "unknown"}, {"client_id": "stands_for_nobody"}, id="unknown"),
        pytest.param({"client_id": "None"}, {"client_id": "stands_for_nobody"}, id="None"),
        pytest.param({"client_id": "null"}, {"client_id": "stands_for_nobody"}, id="null"),
        pytest.param({"client_id": "p@example.com"}, {"client_id": "is_an_address"}, id="e-mail as client"),
        pytest.param({"client_id": "+919812345678"}, {"client_id": "is_an_address"}, id="phone as client"),
        pytest.param({"message_type": "welcom"}, {"message_type": "invalid_choice"}, id="unknown type"),
        pytest.param({"message_type": "WELCOME"}, {"message_type": "invalid_choice"}, id="case of a type"),
        pytest.param({"message_type": 1}, {"message_type": "wrong_type"}, id="number as type"),
        pytest.param({"message_type": ["welcome"]}, {"message_type": "wrong_type"}, id="list as type"),
        pytest.param({"context": []}, {"context": "not_an_object"}, id="list as context"),
        pytest.param({"context": "{}"}, {"context": "not_an_object"}, id="text as context"),
        pytest.param({"context": None}, {"context": "null"}, id="null context"),
        pytest.param(
            {"context": {}}, {"context.client_name": "missing_variable"}, id="missing template variable"
        ),
        pytest.param(
            {"context": {"client_name": 5}}, {"context.client_name": "wrong_type"}, id="number as a name"
        ),
        pytest.param(
            {"context": {"client_name": "P", "event_date": "soon"}},
            {"context.event_date": "invalid_date"},
            id="no date",
        ),
        pytest.param(
            {"context": {"client_name": "P", "client_email": "nonsense"}, "client": ...},
            {"context.client_email": "invalid_email"},
            id="invalid e-mail in the context",
        ),
        pytest.param({"urgency": "asap"}, {"urgency": "invalid_choice"}, id="unknown urgency"),
        pytest.param({"urgency": 1}, {"urgency": "wrong_type"}, id="number as urgency"),
        pytest.param({"preferred_channel": "fax"}, {"preferred_channel": "invalid_choice"}, id="fax"),
        pytest.param({"dedup_key": 5}, {"dedup_key": "wrong_type"}, id="number as key"),
        pytest.param({"dedup_key": ""}, {"dedup_key": "blank"}, id="empty key"),
        pytest.param({"dedup_key": "x" * 300}, {"dedup_key": "max_length"}, id="long key"),
        pytest.param({"send_at": "tomorrow"}, {"send_at": "invalid_instant"}, id="no instant"),
        pytest.param({"send_at": 1_700_000_000}, {"send_at": "wrong_type"}, id="number as instant"),
        pytest.param({"send_at": "2026-12-15T09:00:00"}, {"send_at": "offset_missing"}, id="no offset"),
        pytest.param({"send_at": "9999-12-31T23:59:59Z"}, {"send_at": "out_of_range"}, id="year 9999"),
        pytest.param(
            {"deliver_by": "0001-01-01T00:00:00+23:59"}, {"deliver_by": "out_of_range"}, id="year 1"
        ),
        pytest.param(
            {"send_at": "2027-01-02T00:00:00Z", "deliver_by": "2027-01-01T00:00:00Z"},
            {"deliver_by": "before_send_at"},
            id="deadline before the start",
        ),
        pytest.param(
            {"supersede": True, "message_type": "custom"},
            {"supersede": "no_stage"},
            id="supersede without a stage",
        ),
        pytest.param({"supersede": "yes"}, {"supersede": "wrong_type"}, id="text as boolean"),
        pytest.param({"supersede": 0}, {"supersede": "wrong_type"}, id="number as boolean"),
        pytest.param({"expects_response": True}, {"expects_response": "not_supported_yet"}, id="answers"),
        pytest.param({"attachments": [{"url": "x"}]}, {"attachments.0.url": "invalid_url"}, id="attachments"),
        pytest.param({"attachments": "x"}, {"attachments": "not_a_list"}, id="text as attachments"),
        pytest.param({"attachments": {}}, {"attachments": "not_a_list"}, id="object as attachments"),
        pytest.param({"attachments": [1]}, {"attachments.0": "not_an_object"}, id="number as attachment"),
        pytest.param({"client": []}, {"client": "not_an_object"}, id="list as client data"),
        pytest.param({"client": "Priya"}, {"client": "not_an_object"}, id="text as client data"),
        pytest.param(
            {"client": {"email": "nonsense"}}, {"client.email": "invalid_email"}, id="invalid e-mail"
        ),
        pytest.param({"client": {"email": 5}}, {"client.email": "wrong_type"}, id="number as e-mail"),
        pytest.param({"client": {"phone": "12"}}, {"client.phone": "invalid_phone"}, id="invalid phone"),
        pytest.param(
            {"client": {"email": "a@example.com", "timezone": "Mars/Base"}},
            {"client.timezone": "unknown_timezone"},
            id="unknown zone",
        ),
        pytest.param(
            {"client": {"email": "a@example.com", "name": "Priya\r\nBcc: x"}},
            {"client.name": "control_character"},
            id="line break in a name",
        ),
        pytest.param(
            {"client": {"email": "a@example.com", "whatsapp_opt_in": "yes"}},
            {"client.whatsapp_opt_in": "wrong_type"},
            id="opt-in in words",
        ),
        pytest.param({"client": {"mail": "a@example.com"}}, {"client.mail": "unknown_field"}, id="misspelt"),
        pytest.param({"client": ...}, {"client": "unknown_client"}, id="unknown client without address"),
        pytest.param({"client": {"name": "P"}}, {"client": "unknown_client"}, id="a name is no address"),
        pytest.param({"chanel": "sms"}, {"chanel": "unknown_field"}, id="unknown field"),
        pytest.param(
            {"plan_id": 1, "urgency": "x", "client": {"email": 1}},
            {"plan_id": "wrong_type", "urgency": "invalid_choice", "client.email": "wrong_type"},
            id="all at once",
        ),
    ],
)
def test_fields_that_are_wrong_are_named(refused, changes, problems):
    body = a_body(**changes)
    found = assert_problem(refused(body), 422, "invalid")
    assert codes_of(found) == problems
    for error in found["errors"]:
        assert error["message"].rstrip().endswith((".", ":", "-"))
        assert "nonsense" not in error["message"]


@pytest.mark.parametrize("body", [[], [a_body()], "text", 5, None, True])
def test_a_body_that_is_no_object(refused, body):
    found = assert_problem(refused(raw=json.dumps(body).encode()), 422, "invalid")
    assert codes_of(found) == {"": "not_an_object"}


def test_an_empty_body(refused):
    found = assert_problem(refused(raw=b""), 422, "invalid")
    assert set(codes_of(found)) == {"plan_id", "client_id", "message_type", "context"}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(b"{", "invalid_json", id="broken"),
        pytest.param(json.dumps(a_body()).encode() + b"}", "invalid_json", id="one brace too many"),
        pytest.param(b'{"plan_id": "\xff\xfe"}', "invalid_utf8", id="invalid UTF-8"),
        pytest.param(json.dumps(a_body()).encode("utf-16"), "nul_character", id="UTF-16"),
        pytest.param(b'{"plan_id": "a\x00b"}', "nul_character", id="raw NUL"),
        pytest.param(json.dumps(a_body(context={"client_name": "\0"})).encode(), "nul_character", id="NUL"),
        pytest.param(json.dumps(a_body(context={"\0": 1})).encode(), "nul_character", id="NUL in a name"),
        pytest.param(json.dumps(a_body(context={"a": "\ud800"})).encode(), "lone_surrogate", id="surrogate"),
        pytest.param(b'{"context": {"budget": NaN}}', "number_out_of_range", id="NaN"),
        pytest.param(b'{"context": {"budget": 1e999}}', "number_out_of_range", id="1e999"),
        pytest.param(b'{"context": {"budget": ' + b"9" * 10_000 + b"}}", "number_too_long", id="digits"),
        pytest.param(b"[" * 10_000_000, "too_many_values", id="10 MB of brackets"),
        pytest.param(b'{"context": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001, "too_deep", id="deep"),
    ],
)
def test_a_body_that_cannot_be_read(refused, raw, code):
    assert_problem(refused(raw=raw), 400, code)


def test_a_body_that_is_too_large(refused):
    assert_problem(refused(raw=b" " * (28 * 1024 * 1024 + 1)), 413, "too_large")


def test_elsewhere_a_megabyte_is_the_limit():
    assert_problem(nobody().post("/api/crm/token", raw=b" " * (1024 * 1024 + 1)), 413, "too_large")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml"]
)
def test_a_body_of_another_type(refused, content_type):
    assert_problem(refused(raw=b"a=b", content_type=content_type), 415, "unsupported_media_type")


def test_a_plan_of_another_client(planner, refused):
    body = a_body()
    planner.post(PATH, body)
    other = {**a_body(), "plan_id": body["plan_id"]}
    assert_problem(refused(other), 409, "plan_of_another_client")


def test_no_token_and_a_token_that_is_none():
    assert_problem(nobody().post(PATH, a_body()), 401, "not_authenticated")
    bad = nobody()
    bad.headers = {"Authorization": "Bearer nonsense"}
    assert_problem(bad.post(PATH, a_body()), 401, "token_invalid")


def test_who_may_not_write_is_not_told_what_is_wrong_with_the_body():
    from core.scopes import Scope

    assert_problem(service(Scope.READ).post(PATH, raw=b"{"), 403, "scope_missing")
