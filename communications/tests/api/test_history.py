"""GET communications: filters, pages, search."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from communications.choices import Status
from communications.selectors import history
from communications.services.commands import ClientData
from communications.tests.factories import a_communication, in_status, lead_to
from core import clock
from core.scopes import Scope
from core.sealing import destroy_key
from core.tests.api.callers import assert_problem, codes_of, service

PATH = "/api/crm/communications"
NOON = datetime.fromisoformat("2026-03-03T12:00:00+00:00")
MOMENTS = ("created", "scheduled", "sent", "delivered", "opened", "clicked", "responded", "failed")
FIELDS = {f"{moment}_at" for moment in MOMENTS} | {
    "channel",
    "click_count",
    "client_id",
    "communication_id",
    "degraded",
    "digest",
    "error_message",
    "message_type",
    "open_count",
    "plan_id",
    "preview",
    "priority",
    "request_id",
    "retry_count",
    "role",
    "status",
    "subject",
    "urgency",
}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ready")]


def ids(answer):
    return [line["communication_id"] for line in answer["communications"]]


def test_a_line_tells_everything_that_a_list_needs(planner):
    row = a_communication()
    response = planner.get(PATH)
    answer = response.json()
    assert response.status_code == 200
    assert {name: answer[name] for name in answer if name != "communications"} == {
        "total": 1,
        "total_is_capped": False,
        "limit": 50,
        "offset": 0,
        "next": None,
    }
    (line,) = answer["communications"]
    assert set(line) == FIELDS
    assert line["communication_id"] == str(row.id)
    assert (line["plan_id"], line["client_id"]) == (row.plan.reference, row.client.reference)
    assert "Priya Sharma" in line["subject"]
    assert line["preview"]


def test_an_erased_client_leaves_the_line_without_texts(planner):
    row = a_communication()
    destroy_key(row.client.data_key_id, now=clock.now())
    (line,) = planner.get(PATH).json()["communications"]
    assert (line["subject"], line["preview"], line["status"]) == (None, None, "scheduled")


def test_the_newest_come_first_and_pages_follow_each_other_whatever_is_added(planner):
    rows = [a_communication(now=NOON + timedelta(minutes=minute // 2)) for minute in range(7)]
    expected = [str(row.id) for row in sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)]
    first = planner.get(PATH, {"limit": 3}).json()
    a_communication(now=NOON + timedelta(hours=1))
    second = planner.get(PATH, {"limit": 3, "cursor": first["next"]}).json()
    third = planner.get(PATH, {"limit": 3, "cursor": second["next"]}).json()
    assert ids(first) + ids(second) + ids(third) == expected
    assert third["next"] is None
    assert (first["total"], third["total"]) == (7, 8)


def test_an_offset_skips(planner):
    rows = [a_communication(now=NOON + timedelta(minutes=minute)) for minute in range(3)]
    answer = planner.get(PATH, {"offset": 1, "limit": 1}).json()
    assert ids(answer) == [str(rows[1].id)]
    assert (answer["offset"], answer["limit"], answer["total"]) == (1, 1, 3)


def test_the_total_is_capped(planner, monkeypatch):
    monkeypatch.setattr(history, "TOTAL_CAP", 2)
    for _ in range(2):
        a_communication()
    assert planner.get(PATH).json()["total_is_capped"] is False
    a_communication()
    answer = planner.get(PATH, {"limit": 1}).json()
    assert (answer["total"], answer["total_is_capped"]) == (2, True)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("plan_id", lambda row: row.plan.reference),
        ("client_id", lambda row: row.client.reference),
        ("status", lambda row: "failed"),
        ("q", lambda row: row.plan.reference),
        ("q", lambda row: row.client.reference),
        ("q", lambda row: str(row.id)),
        ("q", lambda row: str(row.request_id)),
        ("q", lambda row: "Sharma W"),
        ("q", lambda row: "  priya sharma wedding  "),
        ("q", lambda row: "Wanted@Example.com "),
        ("q", lambda row: "+91 98123 45678"),
    ],
)
def test_filters_and_search_find_one_among_others(planner, parameter, value):
    a_communication()
    wanted = a_communication(
        client=ClientData(name="Priya Sharma Wedding", email="wanted@example.com", phone="+919812345678")
    )
    lead_to(wanted, Status.FAILED)
    answer = planner.get(PATH, {parameter: value(wanted)}).json()
    assert ids(answer) == [str(wanted.id)]
    assert answer["total"] == 1


@pytest.mark.parametrize("text", ["nobody-at-all", "other@example.com", "+15550001111", "%", "_", "'", "\\"])
def test_a_search_that_finds_nothing(planner, text):
    a_communication()
    assert planner.get(PATH, {"q": text}).json()["total"] == 0


def test_channel_and_type(planner):
    a_communication()
    assert planner.get(PATH, {"channel": "email", "message_type": "welcome"}).json()["total"] == 1
    assert planner.get(PATH, {"channel": "sms"}).json()["total"] == 0
    assert planner.get(PATH, {"message_type": "reminder"}).json()["total"] == 0


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"start_date": "2026-03-03"}, 1),
        ({"start_date": "2026-03-04"}, 0),
        ({"end_date": "2026-03-03"}, 1),
        ({"end_date": "2026-03-02"}, 0),
        ({"start_date": "2026-03-03", "end_date": "2026-03-03"}, 1),
        ({"start_date": "2026-03-03T12:00:00Z", "end_date": "2026-03-03T17:30:01+05:30"}, 1),
        ({"start_date": "2026-03-03T12:00:01Z"}, 0),
        ({"end_date": "2026-03-03T12:00:00Z"}, 0),
    ],
)
def test_days_and_instants(planner, query, found):
    a_communication(now=NOON)
    assert planner.get(PATH, query).json()["total"] == found


@pytest.mark.parametrize(
    ("query", "problems"),
    [
        ({"limit": "0"}, {"limit": "min_value"}),
        ({"limit": "201"}, {"limit": "max_value"}),
        ({"limit": "x"}, {"limit": "invalid"}),
        ({"limit": "9" * 2_000}, {"limit": "max_string_length"}),
        ({"offset": "-1"}, {"offset": "min_value"}),
        ({"offset": "10001"}, {"offset": "max_value"}),
        ({"cursor": "nonsense"}, {"cursor": "invalid_cursor"}),
        ({"cursor": "WzEsMl0:x:y"}, {"cursor": "invalid_cursor"}),
        ({"cursor": "x", "offset": "1"}, {"cursor": "cursor_and_offset"}),
        ({"status": "lost"}, {"status": "invalid_choice"}),
        ({"channel": "fax"}, {"channel": "invalid_choice"}),
        ({"message_type": ""}, {"message_type": "invalid_choice"}),
        ({"start_date": "yesterday"}, {"start_date": "invalid_instant"}),
        ({"start_date": "2026-03-03T12:00:00"}, {"start_date": "offset_missing"}),
        ({"end_date": "9999-12-31"}, {"end_date": "out_of_range"}),
        ({"start_date": "2026-03-03", "end_date": "2026-03-01"}, {"end_date": "before_start_date"}),
        ({"q": "a\0b"}, {"q": "null_characters_not_allowed"}),
        ({"q": " "}, {"q": "blank"}),
        ({"status": ["sent", "failed"]}, {"status": "repeated"}),
        ({"plan": "x"}, {"plan": "unknown_field"}),
    ],
)
def test_a_query_that_is_wrong_is_named(planner, query, problems):
    assert codes_of(assert_problem(planner.get(PATH, query), 422, "invalid")) == problems


def test_a_page_takes_the_same_few_queries_whatever_its_size(planner):
    in_status(Status.FAILED)
    with CaptureQueriesContext(
        connection,
    ) as few:
        planner.get(PATH)
    for _ in range(5):
        in_status(Status.FAILED)
    with CaptureQueriesContext(connection) as many:
        answer = planner.get(PATH, {"q": "Priya"}).json()
    assert len(answer["communications"]) == 6
    # The demo clock is not asked: total, page with clients and plans, keys.
    assert len(few) == len(many) == 3


def test_the_scope_to_read_is_needed():
    assert_problem(service(Scope.WRITE).get(PATH), 403, "scope_missing")
