"""POST communications/{id}/cancel · /resend · /retry, from the outside (API-1)."""

import uuid

import pytest

from communications.choices import Status
from communications.models import Communication
from communications.tests.factories import a_communication, in_status
from core.models import AuditEntry
from core.scopes import Scope
from core.tests.api.callers import assert_problem, codes_of, service, staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ready")]

ACTIONS = ("cancel", "resend", "retry")
FIELDS = {
    "communication_id",
    "request_id",
    "status",
    "channel",
    "scheduled_at",
    "cancel_requested",
    "resent_from",
}


def path(row, action):
    return f"/api/crm/communications/{row.id}/{action}"


def test_cancelling(planner):
    row = a_communication()
    first = planner.post(path(row, "cancel"))
    assert first.status_code == 200
    assert set(first.json()) == FIELDS
    assert first.json()["status"] == "cancelled"
    again = planner.post(path(row, "cancel"))
    assert (again.status_code, again.json()) == (200, first.json())
    assert AuditEntry.objects.get(action="communication.cancelled").actor == "service:planning-agent"


def test_a_wish_to_cancel_is_accepted(planner):
    row = in_status(Status.SENDING)
    for _ in range(2):
        answer = planner.post(path(row, "cancel"))
        assert (answer.status_code, answer.json()["status"]) == (202, "sending")
        assert answer.json()["cancel_requested"] is True


def test_resending_what_is_in_doubt(planner):
    row = in_status(Status.IN_DOUBT)
    answer = planner.post(path(row, "resend"))
    assert (answer.status_code, answer.json()["status"]) == (202, "scheduled")
    assert (answer.json()["communication_id"], answer.json()["resent_from"]) == (str(row.id), None)
    assert_problem(planner.post(path(row, "resend")), 409, "not_sent_yet")


def test_resending_what_arrived_makes_a_new_one_that_names_its_origin(planner):
    row = in_status(Status.DELIVERED)
    answer = planner.post(path(row, "resend")).json()
    assert answer["resent_from"] == str(row.id)
    assert answer["communication_id"] != str(row.id)
    assert_problem(planner.post(path(row, "resend")), 409, "already_resent")
    detail = planner.get(f"/api/crm/communications/{answer['communication_id']}").json()
    assert (detail["resent_from"], detail["resent_as"]) == (str(row.id), None)
    origin = planner.get(f"/api/crm/communications/{row.id}").json()
    assert (origin["resent_from"], origin["resent_as"]) == (None, answer["communication_id"])


def test_retrying(planner):
    row = in_status(Status.FAILED)
    answer = planner.post(path(row, "retry"))
    assert (answer.status_code, answer.json()["status"]) == (202, "scheduled")
    assert_problem(planner.post(path(row, "retry")), 409, "not_sent_yet")


def test_a_refusal_says_what_is_possible_instead(planner):
    body = assert_problem(planner.post(path(in_status(Status.SENT), "cancel")), 409, "already_sent")
    assert "Resend sends it once more" in body["detail"]


@pytest.mark.parametrize("action", ACTIONS)
class TestWhateverComesIn:
    def test_fields_that_do_not_exist_are_refused(self, action, planner):
        row = a_communication()
        body = assert_problem(planner.post(path(row, action), {"force": True}), 422, "invalid")
        assert codes_of(body) == {"force": "unknown_field"}
        assert Communication.objects.get().status == Status.SCHEDULED

    @pytest.mark.parametrize(
        ("raw", "status", "code"),
        [
            (b"[]", 422, "invalid"),
            (b"null", 422, "invalid"),
            (b'"x"', 422, "invalid"),
            (b"{", 400, "invalid_json"),
            (b"\x00", 400, "nul_character"),
            (b"\xff", 400, "invalid_utf8"),
        ],
    )
    def test_bodies_that_are_none(self, action, raw, status, code, planner):
        row = a_communication()
        assert_problem(planner.post(path(row, action), raw=raw), status, code)
        assert Communication.objects.get().status == Status.SCHEDULED

    def test_another_media_type(self, action, planner):
        answer = planner.post(path(a_communication(), action), raw=b"a=b", content_type="text/plain")
        assert answer.status_code == 415

    def test_no_body_at_all_is_fine(self, action, planner):
        row = in_status(Status.FAILED if action == "retry" else Status.IN_DOUBT)
        assert planner.post(path(row, action), raw=b"").status_code == 202

    def test_one_that_does_not_exist(self, action, planner):
        missing = planner.post(f"/api/crm/communications/{uuid.uuid4()}/{action}")
        assert_problem(missing, 404, "communication_not_found")
        assert planner.post(f"/api/crm/communications/x/{action}").status_code == 404

    def test_reading_is_not_enough(self, action, planner):
        row = a_communication()
        assert_problem(service(Scope.READ).post(path(row, action)), 403, "scope_missing")
        assert planner.get(path(row, action)).status_code in {403, 405}

    def test_staff_need_the_permission_to_send(self, action):
        seeing = ("communications.view_communication", "communications.view_content")
        row = in_status(Status.FAILED)
        assert_problem(staff(*seeing).post(path(row, action)), 403, "scope_missing")
        may = staff(*seeing, "communications.add_communicationrequest")
        assert may.post(path(row, action)).status_code == (409 if action == "cancel" else 202)

    def test_with_a_slash_at_the_end(self, action, planner):
        row = in_status(Status.FAILED if action == "retry" else Status.IN_DOUBT)
        assert planner.post(path(row, action) + "/").status_code == 202
