"""The staff page Preferences: found, set, explained; what is wrong stands beside its field (PRF-2, PRF-5, UI-1)."""

from uuid import uuid4

import pytest

from backoffice.tests.browsers import staff_in, text_of
from clients.models import Client
from clients.services.register import ContactDetails
from clients.tests.factories import a_client
from core import clock
from core.choices import Channel
from preferences.choices import SettingSource
from preferences.models import ClientPreferences, ConsentEntry
from preferences.rules import wordings
from preferences.selectors.consent import allowed_channels
from preferences.services.changing import Author, PreferenceChange, change_preferences

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ready")]

CHANGE = {"administrator", "manager", "agent"}
ROLES = ["administrator", "agent", "analyst", "auditor", "manager"]


@pytest.fixture
def client_row():
    contact = ContactDetails(name="Priya Sharma", email="priya@example.com", phone="+919812345678")
    return a_client("client-1", contact, now=clock.now())


@pytest.fixture
def path(client_row):
    return f"/clients/{client_row.id}/preferences/"


def a_form(**changes):
    return {
        "channels": ["email", "sms"],
        "place_email": "1",
        "place_sms": "2",
        "place_whatsapp": "3",
        "timezone": "",
        "quiet": "none",
        "frequency": "at_once",
        "pause_until": "",
        "why": "",
    } | changes


@pytest.mark.parametrize("role", ROLES)
def test_who_may_see_and_who_may_change(role, path, client_row):
    browser = staff_in(role)
    page = browser.get(path)
    assert page.status_code == 200
    assert ("Set for the client" in text_of(page)) is (role in CHANGE)
    saved = browser.post(path, a_form(timezone="Asia/Tokyo"))
    assert saved.status_code == (302 if role in CHANGE else 403)
    assert ClientPreferences.objects.exists() is (role in CHANGE)


@pytest.mark.parametrize("search", ["client-1", "Priya@example.com", "+91 98123 45678", "sharma"])
def test_a_client_is_loaded_by_id_address_or_name(search, client_row, path):
    answer = staff_in("agent").get("/preferences/", {"q": search})
    assert (answer.status_code, answer["Location"]) == (302, path)


def test_several_are_listed_and_none_is_said(client_row):
    a_client("client-2", ContactDetails(name="Arjun Sharma", email="a@example.com"), now=clock.now())
    browser = staff_in("agent")
    assert "Arjun Sharma" in text_of(browser.get("/preferences/", {"q": "sharma"}))
    assert "No client was found" in text_of(browser.get("/preferences/", {"q": "nobody"}))
    assert browser.get("/preferences/", {"q": "a\0"}).status_code == 200
    assert browser.get(f"/clients/{uuid4()}/preferences/").status_code == 404


def test_what_staff_set_holds_and_says_who_what_and_why(path, client_row):
    browser = staff_in("agent", first_name="Meera", last_name="Rao")
    form = a_form(channels=["sms"], timezone="Asia/Kolkata", why="They called about it.")
    assert "Saved." in text_of(browser.post(path, form, follow=True))
    assert allowed_channels([client_row.id])[client_row.id] == {Channel.SMS}
    assert ConsentEntry.objects.filter(state="opted_out").latest("id").source == "staff"
    browser.post(path, a_form(channels=["sms"], timezone="Asia/Tokyo", why="They moved."))
    shown = text_of(browser.get(path))
    assert "Time zone: Asia/Kolkata → Asia/Tokyo" in shown
    assert "They moved." in shown
    assert "Meera Rao" in shown
    assert "E-mail: opted out" in shown
    assert "Time zone set by staff" in shown
    history = ClientPreferences.pgh_event_model.objects.get()
    assert history.pgh_context.metadata == {"actor": f"staff:{browser.user.pk}", "why": "They moved."}


def test_history_rows_hold_nothing_personal(path, client_row):
    staff_in("agent").post(path, a_form(timezone="Asia/Kolkata"))
    staff_in("agent").post(path, a_form(timezone="Asia/Tokyo"))
    row = str(vars(ClientPreferences.pgh_event_model.objects.get()))
    assert "Priya" not in row
    assert "example.com" not in row
    assert "98123" not in row


def test_nothing_different_changes_nothing(path, client_row):
    browser, version = staff_in("agent"), Client.objects.get().gate_version
    assert "Nothing was different" in text_of(browser.post(path, a_form(), follow=True))
    assert Client.objects.get().gate_version == version


def test_all_messages_are_stopped_for_a_client_who_asks_for_it(path, client_row):
    staff_in("agent").post(path, {"stop_all": "yes"})
    assert allowed_channels([client_row.id])[client_row.id] == frozenset()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"channels": []}, "Tick at least one, or stop all messages below."),
        ({"timezone": "Nowhere"}, "This time zone is not known."),
        ({"quiet": "set", "quiet_start": "22:00", "quiet_end": "22:00"}, "Start and end must differ."),
        ({"pause_until": "2020-01-01"}, "Give a time that lies ahead"),
        ({"timezone": "Asia/Tokyo", "why": "ask priya@example.com"}, "Leave addresses and numbers out"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(path, client_row, changes, sentence):
    page = staff_in("agent").post(path, a_form(frequency="weekly", **changes))
    assert page.status_code == 422
    assert sentence in text_of(page)
    assert not ClientPreferences.objects.exists()


def test_it_shows_what_the_client_chose(path, client_row):
    change_preferences(
        client_id=client_row.id,
        change=PreferenceChange(
            preferred_channels=(Channel.SMS, Channel.EMAIL), opted_out={Channel.WHATSAPP: False}
        ),
        author=Author(SettingSource.CLIENT, "client:link", wordings.PREFERENCE_CENTRE),
        now=clock.now(),
    )
    shown = text_of(staff_in("auditor").get(path))
    assert "Channels chosen by the client" in shown
    assert "WhatsApp: allowed the client, on a page of ours" in shown
    assert "Not ticked: never." in shown


def test_the_page_takes_the_same_few_queries(path, client_row, django_assert_max_num_queries):
    browser = staff_in("agent")
    for number in range(6):
        browser.post(path, a_form(timezone=("Asia/Tokyo", "Asia/Kolkata")[number % 2]))
    with django_assert_max_num_queries(26):
        browser.get(path)
