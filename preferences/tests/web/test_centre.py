"""The preference centre from outside: what a client sees, sets, and cannot break (PRF-2, PRF-5)."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client as Browser

from clients.models import Client, ContactPoint
from clients.services.register import ContactDetails, PlanDetails
from clients.tests.factories import registered
from core import clock
from core.choices import Channel
from preferences.links import PREFERENCES_LINK_LIVES, LinkSubject, preferences_token, unsubscribe_token
from preferences.models import ClientPreferences, ConsentEntry
from preferences.selectors.consent import allowed_channels

EMAIL, SMS, WHATSAPP = Channel.EMAIL, Channel.SMS, Channel.WHATSAPP

pytestmark = pytest.mark.django_db


@pytest.fixture
def client_row() -> Client:
    contact = ContactDetails(name="Priya Sharma", email="priya@example.com", phone="+919812345678")
    plan = PlanDetails(event_type="wedding")
    return registered("client-1", contact, now=clock.now(), plan=plan).client


def path_of(client: Client, *, made_at: datetime | None = None) -> str:
    point = ContactPoint.objects.get(client=client, kind="email")
    subject = LinkSubject(client.id, point.id, EMAIL)
    return f"/p/{preferences_token(subject, now=made_at or datetime.now(UTC))}"


@pytest.fixture
def path(client_row: Client) -> str:
    return path_of(client_row)


@pytest.fixture
def browser() -> Browser:
    return Browser(enforce_csrf_checks=True, raise_request_exception=False)


def a_form(**changes: Any) -> dict[str, Any]:
    """As the page shows it to somebody who never chose anything."""
    return {
        "channels": ["email", "sms"],
        "place_email": "1",
        "place_sms": "2",
        "place_whatsapp": "3",
        "timezone": "",
        "quiet": "none",
        "quiet_start": "",
        "quiet_end": "",
        "frequency": "at_once",
        "pause_until": "",
    } | changes


def chosen() -> ClientPreferences | None:
    return ClientPreferences.objects.first()


def said() -> int:
    return ConsentEntry.objects.filter(is_default=False).count()


def allowed(client: Client) -> set[Channel]:
    return set(allowed_channels([client.id])[client.id])


@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_changes_nothing_and_sets_no_cookie(browser: Browser, path: str, method: str) -> None:
    answer = getattr(browser, method)(path)
    assert (answer.status_code, dict(answer.cookies)) == (200, {})
    assert answer["Referrer-Policy"] == "no-referrer"
    assert (chosen(), said()) == (None, 0)


def test_it_shows_what_holds_and_what_is_held_masked(browser: Browser, path: str) -> None:
    page = browser.get(path).content.decode()
    for words in ("Priya Sharma", "p•••@example.com", "+91••••••5678", "Wedding", "Not ticked: never."):
        assert words in page
    assert "priya@example.com" not in page
    assert "9812345678" not in page


def test_saving_what_is_shown_chooses_nothing(browser: Browser, path: str) -> None:
    answer = browser.post(path, a_form())
    assert (answer.status_code, answer["Location"], dict(answer.cookies)) == (303, f"{path}?saved", {})
    assert (chosen(), said()) == (None, 0)
    assert "Saved." in browser.get(answer["Location"]).content.decode()


def test_everything_can_be_set(browser: Browser, path: str, client_row: Client) -> None:
    day = (clock.now() + timedelta(days=10)).date().isoformat()
    form = a_form(
        channels=["sms", "email", "whatsapp"],
        place_email="3",
        place_sms="1",
        place_whatsapp="2",
        timezone="Asia/Kolkata",
        quiet="set",
        quiet_start="21:00",
        quiet_end="09:30",
        frequency="weekly",
        pause_until=day,
    )
    assert browser.post(path, form, REMOTE_ADDR="203.0.113.9").status_code == 303
    row = ClientPreferences.objects.get()
    assert row.preferred_channels == ["sms", "whatsapp", "email"]
    assert (row.timezone, row.quiet_hours_start, row.quiet_hours_end) == (
        "Asia/Kolkata",
        time(21),
        time(9, 30),
    )
    assert (row.frequency, row.frequency_source) == ("weekly", "client")
    assert row.pause_until is not None
    assert row.pause_until.isoformat().startswith(
        (datetime.fromisoformat(day) - timedelta(days=1)).date().isoformat()
    )
    assert allowed(client_row) == {EMAIL, SMS, WHATSAPP}
    grant = ConsentEntry.objects.get(channel="whatsapp")
    assert (grant.state, grant.source, grant.wording) == ("granted", "page", "preference-centre-1")
    assert grant.ip is not None


def test_of_two_at_one_place_the_one_that_was_moved_there_goes_first(browser: Browser, path: str) -> None:
    assert browser.post(path, a_form(place_sms="1")).status_code == 303
    assert ClientPreferences.objects.get().preferred_channels == ["sms", "email"]


def test_posted_twice_it_is_saved_once(browser: Browser, path: str) -> None:
    form = a_form(channels=["email"], timezone="Asia/Kolkata")
    browser.post(path, form)
    entries, updated = said(), ClientPreferences.objects.get().updated_at
    assert browser.post(path, form).status_code == 303
    assert (said(), ClientPreferences.objects.get().updated_at) == (entries, updated)


def test_unticking_opts_out_and_ticking_opts_in_again(
    browser: Browser, path: str, client_row: Client
) -> None:
    browser.post(path, a_form(channels=["email"]))
    assert allowed(client_row) == {EMAIL}
    assert chosen() is None, "opting out of one chooses no order of the others"
    browser.post(path, a_form(channels=["email", "sms"]))
    assert allowed(client_row) == {EMAIL, SMS}


def test_all_can_be_stopped_and_started_again(browser: Browser, path: str, client_row: Client) -> None:
    assert browser.post(path, {"stop_all": "yes"}).status_code == 303
    assert allowed(client_row) == set()
    assert "You get no messages from us." in browser.get(path).content.decode()
    browser.post(path, a_form(channels=["email"]))
    assert allowed(client_row) == {EMAIL}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"channels": []}, "Tick at least one, or stop all messages below."),
        ({"channels": ["fax"]}, "fax is not one of the available choices"),
        ({"timezone": "Atlantis/Capital"}, "This time zone is not known."),
        ({"timezone": "a\0b"}, "Null characters are not allowed."),
        ({"quiet": "set", "quiet_start": "22:00", "quiet_end": "22:00"}, "Start and end must differ."),
        ({"quiet": "set", "quiet_start": "22:00"}, "Give both the start and the end"),
        ({"quiet": "set"}, "Give both times, or choose no quiet hours."),
        ({"quiet": "set", "quiet_start": "late", "quiet_end": "08:00"}, "Enter a valid time."),
        ({"quiet": "set", "quiet_start": "08:00", "quiet_end": "22:00"}, "leave no time of the day"),
        ({"frequency": "hourly"}, "hourly is not one of the available choices"),
        ({"pause_until": "2020-01-01"}, "Give a time that lies ahead"),
        ({"pause_until": "soon"}, "Enter a valid date."),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_nothing_is_saved(
    browser: Browser, path: str, changes: dict[str, Any], sentence: str
) -> None:
    answer = browser.post(path, a_form(frequency="daily") | changes)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert sentence in page
    assert "Nothing was saved yet." in page
    assert (chosen(), said()) == (None, 0)


def test_links_of_others_changed_ones_and_old_ones_are_clean_pages(
    browser: Browser, path: str, client_row: Client
) -> None:
    point = ContactPoint.objects.get(client=client_row, kind="email")
    foreign = f"/p/{unsubscribe_token(LinkSubject(client_row.id, point.id, EMAIL))}"
    for wrong in (path[:-1], f"{path}A", "/p/x", foreign):
        for answer in (browser.get(wrong), browser.post(wrong, {"stop_all": "yes"})):
            assert answer.status_code == 404
            assert "This link is not complete" in answer.content.decode()
    old = path_of(client_row, made_at=datetime.now(UTC) - PREFERENCES_LINK_LIVES - timedelta(days=1))
    for answer in (browser.get(old), browser.post(old, {"stop_all": "yes"})):
        assert answer.status_code == 410
        assert "This link has expired" in answer.content.decode()
    nobody = f"/p/{preferences_token(LinkSubject(uuid4(), uuid4(), EMAIL), now=datetime.now(UTC))}"
    assert browser.get(nobody).status_code == 410
    assert said() == 0


def test_an_erased_client_sees_that_nothing_is_held(browser: Browser, path: str) -> None:
    Client.objects.update(erased_at=clock.now())
    answer = browser.get(path)
    assert answer.status_code == 410
    assert "We hold nothing about you any more" in answer.content.decode()
