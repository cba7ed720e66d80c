"""/history/ from the outside (UI-2)."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from communications.choices import MessageType, Status
from communications.selectors import history
from communications.services.commands import ClientData
from communications.tests.factories import a_communication, in_status, lead_to
from communications.tests.web.conftest import somebody
from communications.tests.web.pages import assert_inert, assert_login_and_back, directives, words_of
from communications.web import views
from core import clock
from core.sealing import destroy_key

PATH = "/history/"
ROWS = "/history/rows/"
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
NASTY = '<script>alert("1")</script><img src=x onerror=alert(2)>{{ 7|add:7 }}'

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ready")]


def ids(response):
    return re.findall(r'id="message-([0-9a-f-]{36})"', response.content.decode())


def seen(response):
    return re.search(r'X-Rows-Seen": "([0-9a-f]{64})"', response.content.decode())[1]


def test_a_row_tells_what_to_whom_how_and_when_and_leads_to_its_page(reader):
    row = a_communication(now=NOON)
    response = reader.get(PATH)
    told = words_of(response)
    assert response.status_code == 200
    assert "Welcome for Priya Sharma" in told
    assert "e-mail" in told
    assert "scheduled" in told
    assert "goes out Tue 3 Mar, 17:30 Kolkata (12:00 yours)" in told
    assert told.endswith("1 message")
    assert f'href="/communications/{row.id}/"' in response.content.decode()
    assert_inert(response)
    assert directives(response)["frame-src"] == ["'self'"]


def test_times_are_in_the_viewers_zone(reader):
    reader.cookies["crm_zone"] = "Europe/Rome"
    a_communication(now=NOON)
    assert "(13:00 yours)" in words_of(reader.get(PATH))


def test_every_status_has_its_row(reader):
    for status in Status:
        if status not in {Status.HELD, Status.MERGED}:
            in_status(status)
    told = words_of(reader.get(PATH))
    for status in set(Status) - {Status.HELD, Status.MERGED}:
        assert status.value.replace("_", " ") in told


def test_contents_are_not_shown_to_those_who_may_not_read_them(analyst):
    a_communication()
    response = analyst.get(PATH)
    assert "Welcome for Priya Sharma" in words_of(response)
    for entry in history.list_communications(history.HistoryFilters(), limit=1).entries:
        assert entry.subject not in words_of(response)
        assert entry.preview not in words_of(response)


@pytest.mark.parametrize("path", [PATH, f"{PATH}?status=failed&q=x", ROWS])
def test_who_may_not_come_in(path):
    assert_login_and_back(path)
    assert somebody().get(path).status_code == 403


def test_one_who_is_no_staff_any_more(reader):
    from django.contrib.auth.models import User

    User.objects.update(is_staff=False)
    assert reader.get(PATH).status_code == 403


def test_a_fragment_that_meets_an_ended_session_has_its_page_loaded_again(client):
    response = client.get(ROWS, headers={"HX-Request": "true"})
    assert (response.status_code, response.content) == (401, b"")
    assert response["HX-Refresh"] == "true"


def test_filters_in_the_address_find_one_among_others(reader):
    a_communication(now=NOON - timedelta(days=3))
    wanted = a_communication(now=NOON, client=ClientData(name="Arjun Mehta", email="wanted@example.com"))
    lead_to(wanted, Status.FAILED)
    for query in (
        {"q": "arjun"},
        {"q": "wanted@example.com"},
        {"client_id": wanted.client.reference},
        {"plan_id": wanted.plan.reference},
        {"status": ["failed", "in_doubt"]},
        {"start_date": "2026-03-03", "end_date": "2026-03-03"},
        {"channel": ["email"], "message_type": ["welcome", "reminder"], "status": "failed"},
        {"status": "failed", "utm_source": "elsewhere"},
    ):
        response = reader.get(PATH, query)
        assert ids(response) == [str(wanted.id)], query
    assert ids(reader.get(PATH, {"channel": "sms"})) == []


def test_a_day_is_the_viewers_day(reader):
    late = a_communication(now=datetime(2026, 3, 3, 20, tzinfo=UTC))
    assert ids(reader.get(PATH, {"end_date": "2026-03-03"})) == [str(late.id)]
    reader.cookies["crm_zone"] = "Asia/Kolkata"
    assert ids(reader.get(PATH, {"end_date": "2026-03-03"})) == []
    assert ids(reader.get(PATH, {"start_date": "2026-03-04"})) == [str(late.id)]


def test_the_form_keeps_what_is_set_and_says_how_much(reader):
    response = reader.get(PATH, {"status": ["failed", "sent"], "start_date": "2026-03-03", "q": "Priya"})
    text = response.content.decode()
    assert "Filters: 2 set" in words_of(response)
    assert 'value="2026-03-03"' in text
    assert 'value="Priya"' in text
    assert len(re.findall(r'name="status"[^>]*checked', text)) == 2


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"status": "lost"}, "This is none of the choices."),
        ({"channel": ["email", "fax"]}, "This is none of the choices."),
        ({"message_type": NASTY}, "This is none of the choices."),
        ({"start_date": "yesterday"}, "Write the day as 2026-03-31."),
        ({"start_date": "0001-01-01"}, "Give a day between 2000 and 2099."),
        ({"end_date": "9999-12-31"}, "Give a day between 2000 and 2099."),
        (
            {"start_date": "2026-03-03", "end_date": "2026-03-01"},
            "Give a day that is not before the first one.",
        ),
        ({"due_from": "soon"}, "Write the time as 2026-03-31T09:00."),
        ({"due_from": "2026-02-30T09:00"}, "Write the time as 2026-03-31T09:00."),
        ({"due_before": "0001-01-01T00:00+14:00"}, "Give a time between 2000 and 2099."),
        ({"due_before": "9999-12-31T23:59-14:00"}, "Give a time between 2000 and 2099."),
        ({"due_from": NASTY}, "Write the time as 2026-03-31T09:00."),
        (
            {"due_from": "2026-03-03T09:00", "due_before": "2026-03-03T09:00"},
            "Give a time after the first one.",
        ),
        ({"zone": "Moon/Crater"}, "Write the time zone as Europe/Rome."),
        ({"zone": "../../etc/passwd"}, "Write the time zone as Europe/Rome."),
        ({"order": "size"}, "The order is newest or oldest."),
        ({"client_id": "x" * 65}, "at most 64 characters"),
        ({"plan_id": "a\0b"}, "Null characters are not allowed."),
        ({"q": "x" * 321}, "at most 320 characters"),
    ],
)
def test_nonsense_in_a_filter_is_answered_beside_its_field(reader, query, sentence):
    a_communication()
    response = reader.get(PATH, query)
    assert response.status_code == 200
    assert sentence in words_of(response)
    assert ids(response) == []
    assert "These filters cannot be read" in words_of(response)
    assert "<script>alert" not in response.content.decode()
    assert_inert(response)


@pytest.mark.parametrize("cursor", ["nonsense", "WzEsMl0:x:y", "é", "a" * 5_000, "\0", NASTY])
def test_nonsense_in_a_cursor_leads_to_the_first_page(reader, cursor):
    row = a_communication()
    response = reader.get(PATH, {"cursor": cursor})
    assert "This link to a later page is not valid any more." in words_of(response)
    assert ids(response) == [str(row.id)]


@pytest.mark.parametrize("search", ["%", "_", "\\", "'", '"; --', NASTY, "\u202e", "🦄"])
def test_a_search_is_only_text(reader, search):
    a_communication()
    response = reader.get(PATH, {"q": search})
    assert "Nothing matches" in words_of(response)
    assert_inert(response)


def test_names_and_subjects_are_only_text(reader):
    row = a_communication(
        message_type=MessageType.CUSTOM,
        client=ClientData(name=NASTY, email="nasty@example.com"),
        context={"client_name": NASTY, "subject": NASTY, "message": NASTY},
    )
    response = reader.get(PATH)
    assert ids(response) == [str(row.id)]
    assert '<script>alert("1")</script>' in words_of(response)
    assert "<img src=x" not in response.content.decode()
    assert_inert(response)


def test_pages_follow_each_other_and_keep_the_filters(reader, monkeypatch):
    monkeypatch.setattr(views, "PAGE_SIZE", 2)
    rows = [a_communication(now=NOON + timedelta(minutes=minute)) for minute in range(5)]
    expected = [str(row.id) for row in reversed(rows)]
    found = []
    response = reader.get(PATH, {"status": "scheduled"})
    while True:
        found += ids(response)
        link = re.search(r'rel="next" href="([^"]+)"', response.content.decode())
        if link is None:
            break
        address = link[1].replace("&amp;", "&")
        assert "status=scheduled" in address
        response = reader.get(PATH + address)
    assert found == expected
    assert "Back to the start" in words_of(response)


def test_the_oldest_first_on_request_page_by_page(reader, monkeypatch):
    monkeypatch.setattr(views, "PAGE_SIZE", 2)
    moments = (0, 0, 0, 1, 1, 2)  # what was asked for at one moment is told apart too
    rows = [a_communication(now=NOON + timedelta(minutes=minute)) for minute in moments]
    expected = [str(row.id) for row in sorted(rows, key=lambda row: (row.created_at, row.id))]
    for order, ordered in (("oldest", expected), ("newest", expected[::-1])):
        found, address = [], f"?order={order}&status=scheduled"
        while address:
            response = reader.get(PATH + address)
            found += ids(response)
            link = re.search(r'rel="next" href="([^"]+)"', response.content.decode())
            address = link and link[1].replace("&amp;", "&")
        assert found == ordered, order
    assert 'name="order" value="newest"' in response.content.decode()


def test_what_goes_out_when_and_where(reader):
    rome = a_communication(now=NOON, client=ClientData(timezone="Europe/Rome"))
    kolkata = a_communication(now=NOON)
    late = a_communication(now=NOON + timedelta(hours=2))
    lead_to(a_communication(now=NOON), Status.CANCELLED)
    gone = a_communication(now=NOON)
    lead_to(gone, Status.SENT)
    hour = {"due_from": "2026-03-03T12:00Z", "due_before": "2026-03-03T13:00Z"}
    for query, expected in (
        (hour, {rome, kolkata}),
        (hour | {"zone": "Europe/Rome"}, {rome}),
        ({"due_from": "2026-03-03T13:00+01:00"}, {rome, kolkata, late}),
        ({"due_from": "2026-03-03T12:01Z"}, {late}),
        ({"due_before": "2026-03-03T12:00Z"}, set()),
        (hour | {"status": "sent"}, set()),
    ):
        assert set(ids(reader.get(PATH, query))) == {str(row.id) for row in expected}, query


def test_a_due_time_without_an_offset_is_the_viewers_and_shown_so(reader):
    row = a_communication(now=NOON)
    reader.cookies["crm_zone"] = "Asia/Kolkata"
    assert ids(reader.get(PATH, {"due_from": "2026-03-03T17:31"})) == []
    response = reader.get(PATH, {"due_from": "2026-03-03T12:00Z"})
    assert ids(response) == [str(row.id)]
    assert 'value="2026-03-03T17:30"' in response.content.decode()


def test_a_due_time_is_found_by_the_index_of_the_queue(reader):
    a_communication(now=NOON)
    filters = history.HistoryFilters(due_from=NOON, due_before=NOON + timedelta(hours=1))
    with connection.cursor() as sql:
        sql.execute("SET LOCAL enable_seqscan = off")
    assert "queue_due_idx" in history._matching(filters).explain()


def test_the_total_is_capped(reader, monkeypatch):
    monkeypatch.setattr(history, "TOTAL_CAP", 1)
    a_communication()
    a_communication()
    assert "More than 1 message" in words_of(reader.get(PATH))


def test_empty_states_say_what_to_do(reader):
    assert "Nothing was sent yet" in words_of(reader.get(PATH))
    assert "Take a filter away" in words_of(reader.get(PATH, {"status": "failed"}))


def test_an_erased_client_leaves_a_row_without_texts(reader):
    row = a_communication()
    destroy_key(row.client.data_key_id, now=clock.now())
    response = reader.get(PATH)
    assert ids(response) == [str(row.id)]
    assert reader.get(f"/communications/{row.id}/message/").status_code == 200


def test_a_page_takes_the_same_few_queries_however_many_rows_it_has(reader):
    in_status(Status.FAILED)
    reader.get(PATH)
    with CaptureQueriesContext(connection) as few:
        reader.get(PATH)
    for _ in range(6):
        in_status(Status.FAILED)
    with CaptureQueriesContext(connection) as many:
        assert len(ids(reader.get(PATH))) == 7
    # Session, user, two for permissions; total, page, keys, zones; what goes out next, the demo's clock, and
    # what is paused.
    assert len(few) == len(many) <= 11


# Refreshing


def test_what_is_shown_already_is_not_sent_again(reader):
    row = a_communication()
    page = reader.get(PATH, {"q": "Priya"})
    assert f'hx-get="{ROWS}?q=Priya"' in page.content.decode()
    assert 'hx-trigger="every 30s"' in page.content.decode()
    same = reader.get(ROWS, {"q": "Priya"}, headers={"X-Rows-Seen": seen(page), "HX-Request": "true"})
    assert (same.status_code, same.content) == (204, b"")
    lead_to(row, Status.SENT)
    changed = reader.get(ROWS, {"q": "Priya"}, headers={"X-Rows-Seen": seen(page), "HX-Request": "true"})
    assert changed.status_code == 200
    assert changed.content.decode().lstrip().startswith('<div id="rows"')
    assert f'hx-get="{ROWS}?q=Priya"' in changed.content.decode()
    assert "<html" not in changed.content.decode()
    assert ids(changed) == [str(row.id)]
    assert seen(changed) != seen(page)


def test_without_scripts_an_opened_row_leads_to_the_page_of_its_message(reader):
    row = a_communication()
    text = reader.get(PATH).content.decode()
    details = re.search(r"<details class=\"fold history-open\".*?</details>", text, re.DOTALL)[0]
    assert f'<a href="/communications/{row.id}/">' in details
    assert f'hx-get="/communications/{row.id}/message/"' in details
