"""GET communications/{id} and the catalogue of message types."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from communications.choices import AttemptStatus, MessageType, OutcomeClass, Status
from communications.models import DeliveryAttempt, Template
from communications.tests.api.test_history import FIELDS
from communications.tests.factories import a_communication, in_status
from core import clock
from core.sealing import destroy_key, load_keys, seal
from core.tests.api.callers import assert_problem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ready")]


def path(row):
    return f"/api/crm/communications/{row.id}"


def an_attempt(row, number, words):
    key = load_keys([row.client.data_key_id])[row.client.data_key_id]
    return DeliveryAttempt.objects.create(
        communication=row,
        number=number,
        channel="email",
        provider="smtp",
        lease_token=uuid.uuid4(),
        delivery_status=AttemptStatus.REJECTED,
        message_id=f"<{number}@example.com>",
        outcome_class=OutcomeClass.TRANSIENT,
        outcome_code="451",
        error_message=seal(DeliveryAttempt, "error_message", words, key),
        started_at=clock.now(),
    )


def test_everything_about_one(planner):
    row = in_status(Status.FAILED)
    an_attempt(row, 1, "451 try later")
    second = an_attempt(row, 2, "550 <priya@example.com> unknown")
    answer = planner.get(path(row)).json()
    assert set(answer) == FIELDS | {
        "content",
        "context",
        "strategy",
        "attempts",
        "events",
        "attachments",
        "delivery_logs",
        "resent_from",
        "resent_as",
        "members",
        "consent",
    }
    assert answer["content"]["subject"] == answer["subject"]
    assert "Priya Sharma" in answer["content"]["text"]
    assert answer["context"]["client_name"] == "Priya Sharma"
    assert answer["strategy"]["reasons"]
    assert [attempt["number"] for attempt in answer["attempts"]] == [1, 2]
    assert answer["attempts"][1]["outcome_class"] == "transient"
    assert answer["delivery_logs"][1] == {
        "attempt_id": str(second.id),
        "delivery_status": "rejected",
        "opened_at": None,
        "clicked_at": None,
        "error_message": "550 <priya@example.com> unknown",
    }
    assert answer["error_message"] == "550 <priya@example.com> unknown"
    assert [event["to_status"] for event in answer["events"]] == ["scheduled", "sending", "failed"]
    assert answer["attachments"] == []
    assert answer["degraded"] is None


def test_a_message_that_went_out_without_its_template_says_so(planner):
    Template.objects.update(active_version=None)
    row = a_communication()
    assert planner.get(path(row)).json()["degraded"] == "template_missing"
    (line,) = planner.get("/api/crm/communications").json()["communications"]
    assert line["degraded"] == "template_missing"


def test_an_erased_client_leaves_what_is_not_personal(planner):
    row = a_communication()
    an_attempt(row, 1, "550 <priya@example.com> unknown")
    destroy_key(row.client.data_key_id, now=clock.now())
    answer = planner.get(path(row)).json()
    assert answer["content"] == {"subject": None, "preview": None, "text": None}
    assert (answer["context"], answer["error_message"]) == (None, None)
    assert answer["strategy"]["reasons"]
    assert "priya@" not in str(answer)


def test_it_takes_the_same_few_queries_however_much_happened(planner):
    row = a_communication()
    an_attempt(row, 1, "451 try later")
    with CaptureQueriesContext(connection) as few:
        planner.get(path(row))
    for number in range(2, 7):
        an_attempt(row, number, "451 try later")
    with CaptureQueriesContext(connection) as many:
        planner.get(path(row))
    assert len(few) == len(many) <= 7


def test_one_that_does_not_exist(planner):
    response = planner.get(f"/api/crm/communications/{uuid.uuid4()}")
    assert_problem(response, 404, "communication_not_found")
    assert_problem(planner.get("/api/crm/communications/not-an-id"), 404, "not_found")
    assert_problem(planner.get("/api/crm/communications/1%00"), 404, "not_found")


def test_the_catalogue_of_message_types(planner):
    found = planner.get("/api/crm/message-types").json()["message_types"]
    assert [rule["message_type"] for rule in found] == [member.value for member in MessageType]
    welcome = found[0]
    assert (welcome["stage"], welcome["urgency"], welcome["content_type"]) == (1, "normal", "detailed")
    assert welcome["channels"] == [
        {"channel": "email", "role": "primary", "content_type": "detailed", "goes_out": "always"}
    ]
    assert welcome["expires_after_seconds"] == 7 * 24 * 3600
