"""GET communications/{id}/explain: the story for programs (UI-2, STR-6)."""

import uuid
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from communications.choices import Status, Urgency
from communications.tests.factories import a_communication, in_status
from core import clock
from core.scopes import Scope
from core.sealing import destroy_key
from core.tests.api.callers import assert_problem, nobody, service

NIGHT_IN_KOLKATA = datetime(2026, 3, 3, 18, 0, tzinfo=UTC)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ready")]


def path(row):
    return f"/api/crm/communications/{row.id}/explain"


def test_what_waits_says_why_and_until_when():
    row = a_communication(now=NIGHT_IN_KOLKATA, urgency=Urgency.NORMAL)
    answer = service(Scope.READ).get(path(row)).json()
    assert set(answer) == {"communication_id", "status", "story", "next", "action", "reasons"}
    assert (answer["communication_id"], answer["status"]) == (str(row.id), "scheduled")
    assert answer["story"][0] == "We chose e-mail because the message is detailed."
    waits = next(sentence for sentence in answer["story"] if sentence.startswith("It waits until 09:00"))
    assert "in Kolkata because of the contact window" in waits
    assert "yours" not in str(answer)
    assert answer["next"].startswith("It goes out")
    assert [reason["code"] for reason in answer["reasons"]] == [
        reason["code"] for reason in row.request.strategy["reasons"]
    ]


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_story(status):
    answer = service(Scope.READ).get(path(in_status(status))).json()
    assert answer["status"] == status
    assert answer["story"]
    assert all(sentence.endswith(".") for sentence in (*answer["story"], answer["next"]))


def test_what_a_person_can_do():
    assert service(Scope.READ).get(path(in_status(Status.IN_DOUBT))).json()["action"]
    assert service(Scope.READ).get(path(in_status(Status.SENT))).json()["action"] == ""


def test_an_erased_client_still_has_a_story():
    row = a_communication()
    destroy_key(row.client.data_key_id, now=clock.now())
    assert service(Scope.READ).get(path(row)).json()["story"]


def test_a_fixed_number_of_queries():
    row = a_communication()
    with CaptureQueriesContext(connection) as queries:
        service(Scope.READ).get(path(row))
    assert len(queries) <= 5


def test_who_may_read_it_and_one_that_does_not_exist():
    row = a_communication()
    assert_problem(nobody().get(path(row)), 401, "not_authenticated")
    assert_problem(service(Scope.WRITE).get(path(row)), 403, "scope_missing")
    missing = f"/api/crm/communications/{uuid.uuid4()}/explain"
    assert_problem(service(Scope.READ).get(missing), 404, "communication_not_found")
