"""GET, POST and PATCH preferences: effective settings with their origin, and who may change them (DB-4, PRF-2)."""

from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clients.models import Client
from clients.services.register import ContactDetails
from clients.tests.factories import a_client
from core import clock, spool
from core.cached import forget_on_commit, read_through
from core.choices import Channel
from core.models import AttentionItem, AuditEntry
from core.scopes import Scope
from core.tests.api.callers import assert_problem, codes_of, service, staff
from core.tests.outages import database_away
from core.tests.races import Call
from preferences.choices import ConsentSource, ConsentState, SettingSource
from preferences.models import ClientPreferences, ConsentEntry
from preferences.rules import wordings
from preferences.services.changing import Author, PreferenceChange, change_preferences
from preferences.services.consent import NewStatement, record_statements

POST = "/api/crm/preferences"
ONE = "/api/crm/preferences/client-1"

pytestmark = pytest.mark.django_db


@pytest.fixture
def client_row():
    contact = ContactDetails(name="Priya", email="priya@example.com", phone="+919812345678")
    return a_client("client-1", contact, now=clock.now())


def by_client(client, **change):
    author = Author(SettingSource.CLIENT, "client:link", wordings.PREFERENCE_CENTRE)
    return change_preferences(
        client_id=client.id, change=PreferenceChange(**change), author=author, now=clock.now()
    )


def opt_out(client, channel=Channel.SMS):
    said = NewStatement(
        client.id, channel, ConsentState.OPTED_OUT, ConsentSource.KEYWORD, wordings.UNSUBSCRIBE, clock.now()
    )
    record_statements(statements=[said], actor="client:keyword", now=clock.now())


def test_defaults_are_filled_in_and_say_that_they_are_defaults(planner, client_row, settings):
    """PRF-1"""
    answer = planner.get(ONE).json()
    assert answer["preferred_channels"] == ["email", "whatsapp", "sms"]
    assert answer["timezone"] == settings.CRM_DEFAULT_TIMEZONE
    assert (answer["quiet_hours"], answer["pause_until"], answer["frequency"]) == (None, None, "at_once")
    assert answer["contact_window"] == {"start": "09:00", "end": "21:00"}
    assert answer["opted_out"] == {"email": False, "sms": False, "whatsapp": False}
    assert set(answer["origins"].values()) == {"default"}
    assert [(each["channel"], each["is_open"]) for each in answer["channels"]] == [
        ("email", True),
        ("sms", True),
        ("whatsapp", False),
    ]


def test_a_patch_changes_what_it_names_and_keeps_the_rest(planner, client_row):
    first = planner.patch(
        ONE, {"timezone": "Asia/Kolkata", "quiet_hours": {"start": "21:00", "end": "07:30"}}
    )
    assert first.status_code == 200
    assert first.json()["changed"] == ["timezone", "quiet_hours"]
    second = planner.patch(ONE, {"preferred_channels": ["sms", "email"], "frequency": "daily"}).json()
    assert second["timezone"] == "Asia/Kolkata"
    assert second["quiet_hours"] == {"start": "21:00", "end": "07:30"}
    assert (second["preferred_channels"], second["frequency"]) == (["sms", "email"], "daily")
    assert second["origins"]["timezone"] == "planner"
    assert planner.patch(ONE, {"quiet_hours": None}).json()["quiet_hours"] is None
    assert planner.get(ONE).json()["origins"] == {
        "preferred_channels": "planner",
        "timezone": "planner",
        "quiet_hours": "planner",
        "frequency": "planner",
        "pause_until": "default",
    }


def test_saying_again_what_holds_changes_nothing(planner, client_row):
    body = {"timezone": "Asia/Kolkata", "opted_out": {"sms": True}}
    planner.patch(ONE, body)
    version, entries = Client.objects.get().gate_version, AuditEntry.objects.count()
    assert planner.patch(ONE, body).json()["changed"] == []
    assert (Client.objects.get().gate_version, AuditEntry.objects.count()) == (version, entries)


def test_every_change_bumps_the_gate_and_is_audited(planner, client_row):
    version = Client.objects.get().gate_version
    planner.patch(ONE, {"pause_until": (clock.now() + timedelta(days=3)).isoformat()})
    assert Client.objects.get().gate_version > version
    entry = AuditEntry.objects.get(action="preferences.changed")
    assert entry.details == {"kind": "pause_until", "origin": "planner"}


def test_an_upsert_makes_a_client_who_is_not_known_yet(planner):
    """DB-4"""
    body = {"client_id": "newcomer", "preferred_channels": ["sms"]}
    assert planner.post(POST, body).status_code == 200
    assert planner.post(POST, {"client_id": "newcomer", "timezone": "Asia/Tokyo"}).json()[
        "preferred_channels"
    ] == ["sms"]
    assert Client.objects.get().reference == "newcomer"
    assert planner.get("/api/crm/preferences/newcomer").json()["timezone"] == "Asia/Tokyo"


def test_the_planner_does_not_override_the_client_and_is_told(planner, client_row):
    by_client(client_row, timezone="America/New_York", preferred_channels=(Channel.EMAIL,))
    answer = planner.patch(ONE, {"timezone": "Asia/Tokyo", "frequency": "weekly"}).json()
    assert (answer["timezone"], answer["origins"]["timezone"]) == ("America/New_York", "client")
    assert (answer["changed"], answer["kept"]) == (["frequency"], ["timezone"])


def test_the_planner_opts_out_and_never_ends_somebody_elses_opt_out(planner, client_row):
    assert planner.patch(ONE, {"opted_out": {"sms": True}}).json()["opted_out"]["sms"] is True
    assert planner.patch(ONE, {"opted_out": {"sms": False}}).json()["opted_out"]["sms"] is False
    opt_out(client_row)
    answer = planner.patch(ONE, {"opted_out": {"sms": False}}).json()
    assert (answer["opted_out"]["sms"], answer["kept"]) == (True, ["opted_out.sms"])
    assert next(each for each in answer["channels"] if each["channel"] == "sms")["source"] == "keyword"


def test_staff_may_do_both(client_row):
    opt_out(client_row)
    caller = staff("preferences.view_clientpreferences", "preferences.change_clientpreferences")
    answer = caller.patch(
        ONE, {"opted_out": {"sms": False}, "timezone": "Asia/Tokyo", "why": "They called."}
    ).json()
    assert (answer["opted_out"]["sms"], answer["origins"]["timezone"]) == (False, "staff")
    assert ConsentEntry.objects.latest("id").source == "staff"


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        ({"preferred_channels": []}, {"preferred_channels": "no_channel"}),
        ({"preferred_channels": ["fax"]}, {"preferred_channels.0": "invalid_choice"}),
        ({"preferred_channels": "email"}, {"preferred_channels": "not_a_list"}),
        ({"preferred_channels": ["email", "email"]}, {"preferred_channels": "repeated"}),
        ({"preferred_channels": ["sms"]}, {"preferred_channels": "preferred_and_opted_out"}),
        (
            {"preferred_channels": ["email"], "opted_out": {"email": True}},
            {"preferred_channels": "preferred_and_opted_out"},
        ),
        ({"timezone": "Atlantis/Capital"}, {"timezone": "unknown_timezone"}),
        ({"timezone": 5}, {"timezone": "wrong_type"}),
        ({"quiet_hours": {"start": "22:00", "end": "22:00"}}, {"quiet_hours": "window_empty"}),
        ({"quiet_hours": {"start": "22:00"}}, {"quiet_hours.end": "required"}),
        ({"quiet_hours": {"start": "25:00", "end": "07:00"}}, {"quiet_hours.start": "invalid_time"}),
        ({"quiet_hours": {"start": "22:00+01:00", "end": "07:00"}}, {"quiet_hours.start": "window_has_zone"}),
        ({"quiet_hours": {"start": "08:00", "end": "22:00"}}, {"quiet_hours": "window_leaves_no_time"}),
        ({"frequency": "hourly"}, {"frequency": "invalid_choice"}),
        ({"pause_until": "2020-01-01T00:00:00Z"}, {"pause_until": "in_the_past"}),
        ({"pause_until": "tomorrow"}, {"pause_until": "invalid_instant"}),
        ({"opted_out": {"fax": True}}, {"opted_out.fax": "unknown_field"}),
        ({"opted_out": {"sms": "yes"}}, {"opted_out.sms": "wrong_type"}),
        ({"opted_out": ["sms"]}, {"opted_out.non_field_errors": "not_an_object"}),
        ({"why": "ask priya@example.com"}, {"why": "personal"}),
        ({"colour": "blue"}, {"colour": "unknown_field"}),
    ],
)
def test_what_cannot_hold_is_named_and_nothing_is_changed(planner, client_row, body, problems):
    opt_out(client_row)
    before = (
        ClientPreferences.objects.count(),
        ConsentEntry.objects.count(),
        Client.objects.get().gate_version,
    )
    found = assert_problem(planner.patch(ONE, {"timezone": "Asia/Tokyo", **body}), 422, "invalid")
    expected = {
        name.replace("opted_out.non_field_errors", "opted_out"): code for name, code in problems.items()
    }
    assert {
        field.removesuffix(".non_field_errors"): code for field, code in codes_of(found).items()
    } == expected
    after = (
        ClientPreferences.objects.count(),
        ConsentEntry.objects.count(),
        Client.objects.get().gate_version,
    )
    assert before == after


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("unknown", "stands_for_nobody"),
        ("p@example.com", "is_an_address"),
        ("a b", "invalid_reference"),
        ("", "stands_for_nobody"),
    ],
)
def test_a_reference_that_means_nobody_is_refused(planner, reference, code):
    found = assert_problem(planner.post(POST, {"client_id": reference}), 422, "invalid")
    assert codes_of(found) == {"client_id": code}
    assert Client.objects.count() == 0


@pytest.mark.parametrize("path", ["/api/crm/preferences/nobody", "/api/crm/clients/nobody/consent"])
def test_an_unknown_client_is_404(planner, path):
    assert_problem(planner.get(path), 404, "client_not_found")


def test_scopes_and_roles(client_row):
    reader = service(Scope.READ)
    assert reader.get(ONE).status_code == 200
    assert_problem(reader.patch(ONE, {}), 403, "scope_missing")
    assert_problem(reader.post(POST, {"client_id": "client-1"}), 403, "scope_missing")
    viewer = staff("preferences.view_clientpreferences")
    assert viewer.get(ONE).status_code == 200
    assert viewer.patch(ONE, {}).status_code == 403
    assert viewer.get("/api/crm/clients/client-1/consent").status_code == 403


def test_the_ledger_answers_who_when_and_with_which_words(planner, client_row):
    opt_out(client_row)
    answer = planner.get("/api/crm/clients/client-1/consent").json()
    newest = answer["entries"][0]
    assert (newest["channel"], newest["state"], newest["source"]) == ("sms", "opted_out", "keyword")
    assert newest["wording"] == {"version": "unsubscribe-1", "text": wordings.WORDINGS["unsubscribe-1"]}
    assert {each["source"] for each in answer["entries"]} == {"keyword", "planner"} or len(
        answer["entries"]
    ) == 2


class TestCached:
    @pytest.fixture(autouse=True)
    def committed(self, transactional_db):
        """on_commit runs for real."""

    def test_a_second_look_takes_no_query(self, planner, client_row):
        """OPS-4"""
        first = planner.get(ONE).json()
        with CaptureQueriesContext(connection) as queries:
            assert planner.get(ONE).json() == first
        assert len(queries) == 0

    def test_every_change_is_seen_at_once(self, planner, client_row):
        planner.get(ONE)
        planner.patch(ONE, {"timezone": "Asia/Tokyo"})
        assert planner.get(ONE).json()["timezone"] == "Asia/Tokyo"
        opt_out(client_row)
        assert planner.get(ONE).json()["opted_out"]["sms"] is True
        a_client("client-1", ContactDetails(phone="+919812345679"), now=clock.now())
        assert planner.get(ONE).json()["channels"][1]["is_open"] is False

    def test_a_slow_reader_never_brings_back_what_was_old(self):
        """It reads before a change is committed and stores after it."""

        def slowly():
            with_change = "old"
            forget_on_commit(["subject"])  # outside a transaction: at once, while we are still reading
            return with_change

        assert read_through("subject", slowly) == "old"
        assert read_through("subject", lambda: "new") == "new"
        assert read_through("subject", lambda: "newer") == "new"

    def test_readers_and_writers_at_once_end_with_what_is_stored(self, planner, client_row):
        zones = ["Asia/Tokyo", "Asia/Kolkata", "Europe/Rome", "America/New_York"]
        start = Barrier(4)

        def write():
            start.wait(10)
            for zone in zones * 3:
                assert service().patch(ONE, {"timezone": zone}).status_code == 200

        def read():
            start.wait(10)
            for _ in range(25):
                assert service().get(ONE).status_code == 200

        calls = [Call(write), Call(read), Call(read), Call(read)]
        for call in calls:
            call.finish()
        assert planner.get(ONE).json()["timezone"] == ClientPreferences.objects.get().timezone == zones[-1]

    def test_without_the_cache_it_is_read_from_the_database(self, planner, client_row, settings):
        planner.get(ONE)
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
        planner.patch(ONE, {"timezone": "Asia/Tokyo"})
        assert planner.get(ONE).json()["timezone"] == "Asia/Tokyo"


@pytest.mark.django_db(transaction=True)
class TestWhileTheDatabaseIsAway:
    @pytest.fixture(autouse=True)
    def own_spool(self, settings):
        settings.CRM_SPOOL_NAME = f"test-{uuid4()}"
        settings.CRM_ALLOW_DEMO_CLOCK = False

    def test_a_post_is_accepted_and_stored_later_before_anything_is_sent(self, planner):
        body = {"client_id": "client-1", "preferred_channels": ["email"], "opted_out": {"sms": True}}
        with database_away():
            answer = planner.post(POST, body)
        assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
        assert not Client.objects.exists()
        assert spool.holds_back()
        told_at = datetime.now(UTC)
        assert spool.drain() == 1
        stored = planner.get(ONE).json()
        assert (stored["preferred_channels"], stored["opted_out"]["sms"]) == (["email"], True)
        assert ConsentEntry.objects.filter(state="opted_out").latest("id").occurred_at <= told_at

    def test_what_cannot_be_read_is_refused_at_once(self, planner):
        with database_away():
            found = planner.post(POST, {"client_id": "client-1", "timezone": "Nowhere"})
        assert codes_of(assert_problem(found, 422, "invalid")) == {"timezone": "unknown_timezone"}

    def test_what_turns_out_wrong_is_shown_to_staff(self, planner):
        with database_away():
            assert planner.patch("/api/crm/preferences/nobody", {"timezone": "Asia/Tokyo"}).status_code == 202
        spool.drain()
        assert AttentionItem.objects.get().details == {"codes": ["client_not_found"]}
