"""POST strategy/preview and GET reasons: the decision without a request (STR-6, API-1)."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clients.models import Client, ContactPoint, Plan
from communications.models import CommunicationRequest
from communications.rules.reasons import CATALOGUE
from communications.tests.api.bodies import a_body
from communications.tests.api.test_bad_input import row_counts
from communications.tests.factories import a_communication
from core import clock
from core.models import AttentionItem
from core.scopes import Scope
from core.sealing import destroy_key
from core.tests.api.callers import assert_problem, codes_of, nobody, service
from preferences.models import ClientPreferences

PATH = "/api/crm/strategy/preview"
EVENING = "2026-11-21T22:00:00+05:30"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ready")]


@pytest.fixture
def reader():
    return service(Scope.READ)


def a_preview(reader, **changes):
    response = reader.post(PATH, a_body(**{"urgency": "normal", "now": EVENING, **changes}))
    assert response.status_code == 200, response.content
    return response.json()


def known(row):
    """The body of a preview for the client of a stored communication."""
    return {"plan_id": row.plan.reference, "client_id": row.client.reference, "client": ...}


def test_the_whole_answer(reader):
    assert a_preview(reader) == {
        "send": True,
        "deliveries": [
            {
                "channel": "email",
                "role": "primary",
                "send_at": "2026-11-22T03:30:00Z",
                "send_at_local": "2026-11-22T09:00:00+05:30",
                "content_type": "detailed",
                "priority": 5,
            }
        ],
        "fallbacks": [],
        "batch_key": None,
        "reasons": [
            {"code": "detailed_email_first", "text": "E-mail goes first: the content is detailed."},
            {
                "code": "contact_window",
                "text": "Held until 09:00 Asia/Kolkata: outside the contact window, 09:00 to 21:00.",
            },
        ],
    }


@pytest.mark.parametrize("zone", ["Europe/Rome", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"])
@pytest.mark.parametrize(
    ("urgency", "asked", "sent"),
    [
        ("critical", "22:00", "22:00"),
        ("high", "21:59", "21:59"),
        ("high", "07:59", "08:00"),
        ("normal", "08:00", "09:00"),
        ("low", "08:00", "10:00"),
    ],
)
def test_local_times(reader, zone, urgency, asked, sent):
    """On the day on which New York's clocks are put back, 1 November 2026."""
    offset = {"America/New_York": "-05:00", "Europe/Rome": "+01:00", "Asia/Kathmandu": "+05:45"}.get(
        zone, "+13:00"
    )
    answer = a_preview(
        reader,
        urgency=urgency,
        client={"email": "priya@example.com", "timezone": zone},
        now=f"2026-11-01T{asked}:00{offset}",
    )
    assert answer["deliveries"][0]["send_at_local"] == f"2026-11-01T{sent}:00{offset}"


def test_without_now_it_is_now(reader):
    answer = a_preview(reader, urgency="critical", now=...)
    sent_at = datetime.fromisoformat(answer["deliveries"][0]["send_at"])
    assert abs(sent_at - clock.now()) < timedelta(minutes=5)
    assert a_preview(reader, now=None)["send"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="a new client"),
        pytest.param({"client": {"email": "new@example.com", "name": "New"}}, id="new data"),
        pytest.param({"client": ...}, id="refused: nobody known"),
    ],
)
def test_nothing_is_stored(reader, changes):
    before = row_counts()
    reader.post(PATH, a_body(**changes))
    assert row_counts() == before
    assert not AttentionItem.objects.exists()


def test_it_is_what_the_request_then_gets(planner, reader):
    body = a_body(urgency="high", message_type="custom", context={"client_name": "Priya", "message": "Hi"})
    previewed = reader.post(PATH, body).json()
    planner.post("/api/crm/communications", body)
    stored = CommunicationRequest.objects.get(plan__reference=body["plan_id"]).strategy
    assert previewed["fallbacks"] == stored["fallbacks"]
    assert [reason["code"] for reason in previewed["reasons"]] == [
        reason["code"] for reason in stored["reasons"]
    ]
    assert [delivery["channel"] for delivery in previewed["deliveries"]] == [
        delivery["channel"] for delivery in stored["deliveries"]
    ]


def test_a_known_client_is_looked_up(reader):
    row = a_communication()
    ClientPreferences.objects.filter(client=row.client).update(
        timezone="Pacific/Apia", timezone_source="client", quiet_hours_start="18:00", quiet_hours_end="12:00"
    )
    answer = a_preview(reader, **known(row), now="2026-11-21T19:00:00+13:00")
    assert answer["deliveries"][0]["send_at_local"] == "2026-11-22T12:00:00+13:00"
    assert answer["reasons"][-1]["code"] == "quiet_hours"


def test_the_planners_timezone_counts_until_the_client_sets_one(reader):
    row = a_communication()
    body = known(row) | {"client": {"timezone": "Europe/Rome"}}
    assert a_preview(reader, **body)["deliveries"][0]["send_at_local"].endswith("+01:00")
    ClientPreferences.objects.filter(client=row.client).update(timezone_source="client")
    assert a_preview(reader, **body)["deliveries"][0]["send_at_local"].endswith("+05:30")


def test_a_new_address_takes_the_place_of_an_undeliverable_one(reader):
    row = a_communication()
    point = ContactPoint.objects.get(client=row.client)
    ContactPoint.objects.filter(id=point.id).update(undeliverable_at=clock.now())
    refused = a_preview(reader, **known(row))
    assert (refused["send"], refused["deliveries"]) == (False, [])
    assert [reason["code"] for reason in refused["reasons"]][:2] == ["no_open_channel", "undeliverable"]
    assert not a_preview(reader, **known(row) | {"client": {"email": point.address}})["send"]
    assert a_preview(reader, **known(row) | {"client": {"email": "other@example.com"}})["send"]


def test_an_erased_client_is_not_written_to(reader):
    row = a_communication()
    destroy_key(row.client.data_key_id, now=clock.now())
    answer = a_preview(reader, **known(row), urgency="critical")
    assert (answer["send"], [reason["code"] for reason in answer["reasons"]]) == (False, ["erased"])


def test_the_date_of_the_event_is_the_plans_unless_the_request_says_another(reader):
    row = a_communication()
    Plan.objects.filter(id=row.plan_id).update(event_date="2026-11-20")
    body = known(row) | {"context": {"client_name": "Priya Sharma"}}
    assert a_preview(reader, **body)["reasons"][0]["code"] == "event_passed"
    assert a_preview(reader, **known(row))["send"]


@pytest.mark.parametrize(
    ("changes", "codes", "sentence"),
    [
        pytest.param(
            {"send_at": "2026-11-21T23:30:00+05:30"},
            ["send_at", "contact_window"],
            "outside the contact window, 09:00 to 21:00",
            id="send_at in the night",
        ),
        pytest.param(
            {"send_at": "2026-11-21T23:30:00+05:30", "urgency": "high"},
            ["send_at", "night"],
            "night, from 22:00 to 08:00",
            id="send_at in the night, high",
        ),
        pytest.param(
            {"deliver_by": "2026-11-21T20:00:00+05:30"},
            ["cannot_meet_deadline", "deadline_passed"],
            "Give a deliver_by that lies ahead, or leave it out",
            id="deliver_by in the past",
        ),
        pytest.param(
            {"deliver_by": "2026-11-22T08:30:00+05:30"},
            ["cannot_meet_deadline"],
            "it cannot go out before 08:30 Asia/Kolkata",
            id="deliver_by before the window opens",
        ),
    ],
)
def test_times_that_cannot_be_kept_say_what_is_allowed(reader, changes, codes, sentence):
    reasons = a_preview(reader, **changes)["reasons"][-len(codes) :]
    assert [reason["code"] for reason in reasons] == codes
    assert sentence in reasons[-1]["text"]


@pytest.mark.parametrize(
    ("changes", "problems", "sentence"),
    [
        ({"now": "2026-11-21T22:00:00"}, {"now": "offset_missing"}, "Z or +05:30"),
        ({"now": "tomorrow"}, {"now": "invalid_instant"}, "2026-12-15T09:00:00+05:30"),
        ({"now": 5}, {"now": "wrong_type"}, "a text"),
        ({"now": "1969-01-01T00:00:00Z"}, {"now": "out_of_range"}, "2000"),
        (
            {"client": {"email": "a@example.com", "timezone": "Mars/Base"}},
            {"client.timezone": "unknown_timezone"},
            "Asia/Kolkata",
        ),
        ({"client": ...}, {"client": "unknown_client"}, "e-mail address or a phone number"),
        ({"context": {"budget": "much"}}, {"context.budget": "invalid_amount"}, ""),
        (
            {"send_at": "2026-11-22T10:00:00Z", "deliver_by": "2026-11-22T09:00:00Z"},
            {"deliver_by": "before_send_at"},
            "after send_at",
        ),
        (
            {"now": "x", "urgency": "much", "chanel": "sms"},
            {"now": "invalid_instant", "urgency": "invalid_choice", "chanel": "unknown_field"},
            "",
        ),
    ],
)
def test_bad_input(reader, changes, problems, sentence):
    body = assert_problem(reader.post(PATH, a_body(**changes)), 422, "invalid")
    assert codes_of(body) == problems
    assert sentence in body["errors"][0]["message"]


@pytest.mark.parametrize("body", [[], "text", 5, None])
def test_a_body_that_is_no_object(reader, body):
    problem = assert_problem(reader.post(PATH, raw=json.dumps(body).encode()), 422, "invalid")
    assert codes_of(problem) == {"": "not_an_object"}


def test_a_plan_of_another_client(reader):
    body = a_body(plan_id=a_communication().plan.reference)
    assert_problem(reader.post(PATH, body), 409, "plan_of_another_client")


def test_reading_is_enough_and_needed():
    assert service(Scope.READ).post(PATH, a_body()).status_code == 200
    assert_problem(service(Scope.WRITE).post(PATH, a_body()), 403, "scope_missing")
    assert_problem(nobody().post(PATH, a_body()), 401, "not_authenticated")


def test_it_counts_as_reading(reader):
    limits = [
        reader.get("/api/crm/reasons")["X-RateLimit-Limit"],
        reader.post(PATH, a_body())["X-RateLimit-Limit"],
    ]
    assert limits[0] == limits[1]


def test_a_few_queries(reader):
    row = a_communication()
    with CaptureQueriesContext(connection) as queries:
        a_preview(reader, **known(row))
    assert len(queries) <= 10
    assert Client.objects.count() == 1


def test_the_catalogue_of_reasons(reader):
    found = reader.get("/api/crm/reasons").json()["reasons"]
    assert [entry["code"] for entry in found] == [reason.code for reason in CATALOGUE]
    assert next(entry for entry in found if entry["code"] == "quiet_hours") == {
        "code": "quiet_hours",
        "text": "Held until {until}: quiet hours.",
        "meaning": "The client's quiet hours hold everything but critical messages.",
    }
    assert_problem(service(Scope.WRITE).get("/api/crm/reasons"), 403, "scope_missing")
    assert_problem(nobody().get("/api/crm/reasons"), 401, "not_authenticated")


def test_every_reason_of_a_preview_is_in_the_catalogue(reader):
    known_codes = {reason.code for reason in CATALOGUE}
    for message_type in ("welcome", "custom", "vendor_options"):
        reasons = a_preview(reader, message_type=message_type)["reasons"]
        assert {reason["code"] for reason in reasons} <= known_codes


def test_the_instant_of_now_may_be_in_any_zone(reader):
    at = datetime.fromisoformat(EVENING)
    assert a_preview(reader) == a_preview(reader, now=at.astimezone(UTC).isoformat())
