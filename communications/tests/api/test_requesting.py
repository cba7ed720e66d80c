"""POST communications: what is accepted and how it is answered (API-1, ORC-1)."""

import threading
import time
from uuid import UUID

import pytest
from django.db import connection

from communications.api import answers, views
from communications.choices import Cause, Status
from communications.models import Communication, CommunicationRequest
from communications.services import lifecycle
from communications.services.lifecycle import Transition
from communications.tests.api.bodies import a_body
from communications.tests.factories import lease
from core import clock
from core.models import AttentionItem
from core.scopes import Scope
from core.tests.api.callers import assert_problem, codes_of, service, staff

PATH = "/api/crm/communications"
ANSWER = {
    "request_id",
    "duplicate",
    "communication_id",
    "status",
    "channel_used",
    "scheduled_at",
    "sent_at",
    "delivered_at",
    "error_message",
    "communications",
    "strategy",
    "metadata",
}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ready")]


@pytest.mark.parametrize("urgency", ["critical", "normal", "low"])
def test_what_a_new_request_is_told_is_what_reading_it_back_tells(planner, urgency):
    """PERF-2: the answer is made of what was stored, without asking for it again."""
    body = a_body(urgency=urgency)
    told, read_back = planner.post(PATH, body), planner.post(PATH, body)
    assert (told.status_code, read_back.status_code) == (202, 200)
    assert told.json() == read_back.json() | {"duplicate": False}
    # Who is known already may be asked for without an address.
    again = a_body(client_id=body["client_id"], plan_id=body["plan_id"], message_type="custom", client=...)
    again["context"] = {"message": "See you on Monday."}
    told, read_back = planner.post(PATH, again), planner.post(PATH, again)
    assert told.json()["metadata"]["recipient"].startswith("p•••@")
    assert told.json() == read_back.json() | {"duplicate": False}


def test_answers_made_by_hand_have_the_fields_of_the_schema(planner):
    answer = planner.post(PATH, a_body()).json()
    fields = answers.RequestAnswerSerializer().fields
    assert set(answer) == set(fields)
    assert set(answer["communications"][0]) == set(fields["communications"].child.fields)
    assert set(answer["strategy"]) == set(fields["strategy"].fields)
    assert set(answer["metadata"]) == set(fields["metadata"].fields)
    assert set(answers.accepted_answer(UUID(int=1), duplicate=False)) == set(fields)


@pytest.mark.parametrize("path", [PATH, PATH + "/"])
def test_a_new_request_is_answered_with_what_was_decided(planner, path):
    body = a_body()
    response = planner.post(path, body)
    answer = response.json()
    assert response.status_code == 202
    assert set(answer) == ANSWER
    row = Communication.objects.get()
    assert (answer["request_id"], answer["communication_id"]) == (str(row.request_id), str(row.id))
    assert (answer["duplicate"], answer["status"], answer["channel_used"]) == (False, "scheduled", "email")
    assert answer["scheduled_at"] is not None
    assert (answer["sent_at"], answer["delivered_at"], answer["error_message"]) == (None, None, None)
    assert answer["communications"] == [
        {
            "communication_id": str(row.id),
            "channel": "email",
            "role": "primary",
            "status": "scheduled",
            "scheduled_at": answer["scheduled_at"],
        }
    ]
    assert answer["strategy"]["channels"] == ["email"]
    assert answer["strategy"]["priority"] == 1
    assert answer["strategy"]["content_type"] == "detailed"
    assert answer["strategy"]["reasons"]
    assert all(reason["code"] and reason["text"] for reason in answer["strategy"]["reasons"])
    assert "Priya Sharma" in answer["metadata"]["subject"]
    assert answer["metadata"]["recipient"] == "p•••@example.com"


def test_a_repeat_gets_the_first_answer_with_200(planner):
    body = a_body()
    first = planner.post(PATH, body)
    again = planner.post(PATH, body)
    assert again.status_code == 200
    assert again.json() == {**first.json(), "duplicate": True}
    assert CommunicationRequest.objects.count() == 1


def test_an_idempotency_key(planner):
    body = a_body(message_type="custom", context={"client_name": "P", "message": "Hello."})
    first = planner.post(PATH, body, **{"Idempotency-Key": "one"})
    reordered = dict(reversed(body.items()))
    again = planner.post(PATH, reordered, **{"Idempotency-Key": "one"})
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["request_id"] == first.json()["request_id"]
    other = planner.post(PATH, a_body(), **{"Idempotency-Key": "one"})
    assert codes_of(assert_problem(other, 422, "invalid")) == {"Idempotency-Key": "idempotency_key_reused"}
    assert service(name="other").post(PATH, a_body(), **{"Idempotency-Key": "one"}).status_code == 202


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
def test_an_idempotency_key_that_cannot_be_one(planner, key):
    response = planner.post(PATH, a_body(), **{"Idempotency-Key": key})
    assert codes_of(assert_problem(response, 422, "invalid")) == {
        "Idempotency-Key": "invalid_idempotency_key"
    }


def test_optional_fields_may_be_null_or_left_out(planner):
    nothing = dict.fromkeys(
        [
            "urgency",
            "preferred_channel",
            "dedup_key",
            "send_at",
            "deliver_by",
            "expects_response",
            "attachments",
        ]
    )
    assert planner.post(PATH, a_body(**nothing, supersede=False)).status_code == 202
    assert planner.post(PATH, a_body(urgency=..., attachments=[], expects_response=False)).status_code == 202


def test_the_client_may_be_made_from_the_context(planner):
    for name in ("client_email", "recipient_email"):
        context = {"client_name": "Arjun", name: "arjun@example.com"}
        answer = planner.post(PATH, a_body(client=..., context=context)).json()
        assert answer["metadata"]["recipient"] == "a•••@example.com"


def test_a_known_client_needs_no_address(planner):
    body = a_body()
    planner.post(PATH, body)
    later = {**body, "message_type": "custom", "client": None, "context": {"message": "Hello."}}
    assert planner.post(PATH, later).status_code == 202


def test_a_client_who_can_only_be_reached_in_ways_not_set_up_gets_a_cancelled_answer(planner):
    response = planner.post(PATH, a_body(client={"phone": "+919812345678"}))
    answer = response.json()
    assert response.status_code == 202
    assert (answer["status"], answer["strategy"]["channels"]) == ("cancelled", [])
    assert "no_open_channel" in [reason["code"] for reason in answer["strategy"]["reasons"]]


def test_who_asked_is_stored(planner):
    planner.post(PATH, a_body())
    person = staff("communications.add_communicationrequest")
    person.post(PATH, a_body())
    assert set(CommunicationRequest.objects.values_list("created_by", flat=True)) == {
        "service:planning-agent",
        f"staff:{person.client.session['_auth_user_id']}",
    }


def test_the_scope_to_write_is_needed():
    assert_problem(service(Scope.READ).post(PATH, a_body()), 403, "scope_missing")
    assert not CommunicationRequest.objects.exists()


class TestWaiting:
    @pytest.mark.parametrize("wait", ["-1", "11", "soon", "nan", "inf"])
    def test_up_to_ten_seconds(self, planner, wait):
        response = planner.post(f"{PATH}?wait={wait}", a_body())
        assert set(codes_of(assert_problem(response, 422, "invalid"))) == {"wait"}
        assert not CommunicationRequest.objects.exists()

    def test_the_answer_comes_when_the_time_is_over(self, planner):
        started = time.monotonic()
        answer = planner.post(f"{PATH}?wait=0.3", a_body()).json()
        assert time.monotonic() - started >= 0.3
        assert answer["status"] == "scheduled"

    def test_what_is_decided_is_not_waited_for(self, planner):
        started = time.monotonic()
        planner.post(f"{PATH}?wait=10", a_body(client={"phone": "+919812345678"}))
        assert time.monotonic() - started < 5

    def test_only_two_may_wait_so_that_threads_stay_free(self, planner):
        with views._waiting:
            started = time.monotonic()
            assert planner.post(f"{PATH}?wait=0.3", a_body()).json()["status"] == "scheduled"
            assert time.monotonic() - started >= 0.3
        with views._waiting, views._waiting:
            started = time.monotonic()
            answer = planner.post(f"{PATH}?wait=10", a_body())
            assert (answer.status_code, answer.json()["status"]) == (202, "scheduled")
            assert time.monotonic() - started < 8
        # Whoever waited makes room again.
        assert views._waiting.acquire(blocking=False)
        assert views._waiting.acquire(blocking=False)
        views._waiting.release(2)


@pytest.mark.django_db(transaction=True)
def test_the_answer_comes_as_soon_as_the_message_has_left(planner):
    body = a_body()
    answers = []

    def ask():
        answers.append(planner.post(f"{PATH}?wait=10", body))
        connection.close()

    waiting = threading.Thread(target=ask)
    started = time.monotonic()
    waiting.start()
    while not Communication.objects.exists() and time.monotonic() - started < 5:
        time.sleep(0.02)
    row = Communication.objects.get()
    now = clock.now()
    lease(row)
    for change in (
        Transition(row.id, Status.SENDING, Cause.CLAIMED, "worker:1", now),
        Transition(row.id, Status.SENT, Cause.ACCEPTED, "worker:1", now),
    ):
        lifecycle.apply([change], now=now)
    waiting.join(timeout=10)
    assert time.monotonic() - started < 8
    assert answers[0].json()["status"] == "sent"
    assert answers[0].json()["sent_at"] is not None


class TestRefusals:
    def test_a_service_that_is_refused_leaves_an_item_for_staff_without_anything_personal(self, planner):
        body = a_body(message_type="welcom", urgency="asap", client={"email": "priya@example.com"})
        body["Priya Sharma"] = 1
        for _ in range(2):
            planner.post(PATH, body)
        item = AttentionItem.objects.get()
        assert (item.kind, item.target, item.occurrences) == ("request_refused", f"plan:{body['plan_id']}", 2)
        assert item.details == {
            "message_type": "unknown",
            "codes": ["message_type:invalid_choice", "unknown_field", "urgency:invalid_choice"],
        }
        assert "riya" not in str(AttentionItem.objects.values().get())

    def test_a_refusal_by_the_engine_leaves_one_too(self, planner):
        planner.post(PATH, a_body(context={}, client={"email": "a@example.com"}))
        item = AttentionItem.objects.get()
        assert item.details["message_type"] == "welcome"
        assert any("client_name" in code for code in item.details["codes"])

    @pytest.mark.parametrize(
        "body", [[], {"plan_id": "priya@example.com"}, {"plan_id": 5, "message_type": []}]
    )
    def test_whatever_came_in_place_of_references_is_not_repeated(self, planner, body):
        assert planner.post(PATH, body).status_code == 422
        assert AttentionItem.objects.get().target == "plan:unknown"

    def test_a_person_is_told_on_the_page_and_leaves_none(self):
        person = staff("communications.add_communicationrequest")
        assert person.post(PATH, a_body(message_type="x")).status_code == 422
        assert not AttentionItem.objects.exists()

    def test_only_a_422_does(self, planner):
        planner.post(PATH, raw=b"{")
        assert not AttentionItem.objects.exists()
