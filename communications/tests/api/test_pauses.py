"""The kill switch from outside: who may, what is refused, and what is told (api.md)."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, User

from communications.models import Pause
from communications.tests.api.bodies import a_body
from core.scopes import Scope
from core.tests.api.callers import ApiCaller, assert_problem, codes_of, service

PATH = "/api/crm/pause"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ready")]


def delete(caller, path):
    return caller.client.delete(path, headers=caller.headers)


@pytest.fixture
def admin():
    return service(Scope.ADMIN, Scope.READ, Scope.WRITE, name="switchboard")


def in_role(role):
    """A member of staff in one of the groups that the migrations made."""
    user = User.objects.create_user(f"{role}-1", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    caller = ApiCaller()
    caller.client.force_login(user)
    return caller


def test_pausing_listing_and_lifting(admin):
    body = {"scope": "channel", "value": "email", "reason": "Wrong prices in the offers"}
    made = admin.post(PATH, body)
    assert made.status_code == 201
    paused = made.json()
    assert {name: paused[name] for name in body} == body
    assert (paused["created_by"], paused["lifted_at"]) == ("service:switchboard", None)
    again = admin.post(PATH, body)
    assert (again.status_code, again.json()["pause_id"]) == (200, paused["pause_id"])
    assert admin.get(PATH).json() == {"pauses": [paused]}
    lifted = delete(admin, f"{PATH}/{paused['pause_id']}")
    assert lifted.status_code == 200
    assert lifted.json()["lifted_at"]
    assert admin.get(PATH).json() == {"pauses": []}
    assert_problem(delete(admin, f"{PATH}/{paused['pause_id']}"), 409, "already_lifted")


def test_a_plan_that_is_known(admin):
    body = a_body()
    admin.post("/api/crm/communications", body)
    assert admin.post(PATH, {"scope": "plan", "value": body["plan_id"]}).status_code == 201


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        pytest.param({}, {"scope": "required"}, id="empty"),
        pytest.param({"scope": "world"}, {"scope": "invalid_choice"}, id="unknown scope"),
        pytest.param({"scope": 7}, {"scope": "wrong_type"}, id="number as scope"),
        pytest.param({"scope": None}, {"scope": "null"}, id="null"),
        pytest.param({"scope": "everything", "value": "email"}, {"value": "not_wanted"}, id="value of all"),
        pytest.param({"scope": "channel"}, {"value": "required"}, id="no channel"),
        pytest.param({"scope": "channel", "value": "fax"}, {"value": "invalid_choice"}, id="unknown channel"),
        pytest.param({"scope": "channel", "value": ["sms"]}, {"value": "wrong_type"}, id="list"),
        pytest.param({"scope": "message_type", "value": "x"}, {"value": "invalid_choice"}, id="unknown type"),
        pytest.param({"scope": "plan", "value": "never-seen"}, {"value": "unknown_plan"}, id="unknown plan"),
        pytest.param({"scope": "plan", "value": "p" * 65}, {"value": "max_length"}, id="long plan"),
        pytest.param(
            {"scope": "everything", "reason": "ask p@example.com"}, {"reason": "personal"}, id="address"
        ),
        pytest.param({"scope": "everything", "reason": "x " * 101}, {"reason": "max_length"}, id="long"),
        pytest.param({"scope": "everything", "untl": "noon"}, {"untl": "unknown_field"}, id="misspelt"),
        pytest.param([], {"": "not_an_object"}, id="list as body"),
    ],
)
def test_what_makes_no_sense_is_named(admin, body, problems):
    assert codes_of(assert_problem(admin.post(PATH, body), 422, "invalid")) == problems
    assert not Pause.objects.exists()


@pytest.mark.parametrize("raw", [b'{"scope": "plan", "value": "a\\u0000b"}', b'{"scope": "pl\x00an"}', b"{"])
def test_what_cannot_be_read_is_told(admin, raw):
    response = admin.post(PATH, raw=raw)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_lifting_what_never_was(admin):
    assert_problem(delete(admin, f"{PATH}/{uuid4()}"), 404, "not_found")
    assert_problem(delete(admin, f"{PATH}/7"), 404, "not_found")


def test_programs_need_the_admin_scope(admin):
    caller = service(Scope.READ, Scope.WRITE)
    assert_problem(caller.post(PATH, {"scope": "everything"}), 403, "scope_missing")
    pause_id = admin.post(PATH, {"scope": "everything"}).json()["pause_id"]
    assert_problem(delete(caller, f"{PATH}/{pause_id}"), 403, "scope_missing")
    assert caller.get(PATH).status_code == 200


@pytest.mark.parametrize(
    ("role", "sees", "may"),
    [
        ("administrator", True, True),
        ("manager", True, True),
        ("agent", False, False),
        ("analyst", False, False),
        ("auditor", True, False),
    ],
)
def test_staff_by_their_role(admin, role, sees, may):
    """The matrix: administrators and managers switch, auditors see (ui.md)."""
    caller = in_role(role)
    assert caller.get(PATH).status_code == (200 if sees else 403)
    assert caller.post(PATH, {"scope": "everything"}).status_code == (201 if may else 403)
    pause_id = admin.post(PATH, {"scope": "everything"}).json()["pause_id"]
    assert delete(caller, f"{PATH}/{pause_id}").status_code == (200 if may else 403)


def test_a_paused_request_is_accepted_and_waits(admin):
    admin.post(PATH, {"scope": "everything"})
    answer = admin.post("/api/crm/communications", a_body())
    assert (answer.status_code, answer.json()["status"]) == (202, "scheduled")
