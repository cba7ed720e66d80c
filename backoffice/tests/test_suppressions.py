"""Suppressions: who sees, adds, imports, exports and releases; what is wrong stands beside its field (SEC-5, SEC-7)."""

from io import BytesIO
from uuid import uuid4

import pytest

from backoffice.tests.browsers import staff_in, text_of
from core import clock
from core.choices import Channel
from preferences.choices import SuppressionReason
from preferences.models import Suppression
from preferences.services.suppression_lists import suppress_address

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ready")]

PATH = "/suppressions/"
SEE, CHANGE = {"administrator", "manager", "auditor"}, {"administrator", "manager"}
ROLES = ["administrator", "agent", "analyst", "auditor", "manager"]


def suppressed(address="priya@example.com", channel=Channel.EMAIL, reason=SuppressionReason.COMPLAINT):
    suppress_address(address=address, channels=[channel], reason=reason, actor="staff:1", now=clock.now())
    return Suppression.objects.latest("created_at")


def a_file(text):
    file = BytesIO(text if isinstance(text, bytes) else text.encode())
    file.name = "list.csv"
    return {"file": file}


@pytest.mark.parametrize("role", ROLES)
def test_who_may(role):
    row, browser = suppressed(), staff_in(role)
    assert browser.get(PATH).status_code == (200 if role in SEE else 403)
    assert ('href="/suppressions/"' in browser.get("/").content.decode()) is (role in SEE)
    added = browser.post(f"{PATH}add/", {"address": "b@example.com", "reason": "do_not_contact"})
    assert added.status_code == (302 if role in CHANGE else 403)
    assert browser.post(f"{PATH}import/", a_file("c@example.com")).status_code == (
        302 if role in CHANGE else 403
    )
    assert browser.post(f"{PATH}export/").status_code == (200 if role in CHANGE else 403)
    released = browser.post(f"{PATH}{row.id}/release/", {"reason": "client_asked"})
    assert released.status_code == (302 if role in CHANGE else 403)
    assert Suppression.objects.count() == (3 if role in CHANGE else 1)


def test_the_list_masks_addresses_and_says_why_and_since_when():
    suppressed()
    shown = text_of(staff_in("auditor").get(PATH))
    assert "p•••@example.com" in shown
    assert "Complained, or marked a message as spam" in shown
    assert "priya@example.com" not in shown


def test_an_address_is_found_when_it_is_written_out():
    suppressed()
    suppressed("other@example.com")
    browser = staff_in("manager")
    assert "o•••@" not in text_of(browser.get(PATH, {"q": "Priya@example.com"}))
    assert "p•••@" in text_of(browser.get(PATH, {"q": "Priya@example.com"}))
    assert "Nothing was found" in text_of(browser.get(PATH, {"q": "priya"}))
    assert "could not be read" in text_of(browser.get(PATH, {"channel": "fax", "cursor": "x"}))
    assert browser.get(PATH, {"cursor": str(uuid4())}).status_code == 200


def test_adding_one_closes_what_the_address_is_good_for():
    browser = staff_in("manager")
    page = browser.post(
        f"{PATH}add/", {"address": "+91 98123 45678", "reason": "do_not_contact"}, follow=True
    )
    assert "Nothing is sent there from now on." in text_of(page)
    assert set(Suppression.objects.values_list("channel", flat=True)) == {"sms", "whatsapp"}
    again = browser.post(f"{PATH}add/", {"address": "+919812345678", "reason": "do_not_contact"}, follow=True)
    assert "on the list already" in text_of(again)


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"address": "", "reason": "do_not_contact"}, "This field is required."),
        ({"address": "priya@", "reason": "do_not_contact"}, "This is not an e-mail address."),
        ({"address": "priya@example.com", "reason": "erased"}, "not one of the available choices"),
        ({"address": "priya@example.com", "reason": "complaint", "channels": ["sms"]}, "takes no SMS"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(wish, sentence):
    page = staff_in("manager").post(f"{PATH}add/", wish)
    assert page.status_code == 400
    assert sentence in text_of(page)
    assert not Suppression.objects.exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("address\na@example.com\nrubbish\n", "Line 3: This is not a phone number."),
        (b"\xff\xfe", "File: This is no text in UTF-8."),
        ("", "The submitted file is empty."),
    ],
)
def test_a_list_with_rubbish_is_refused_by_line_and_nothing_is_taken(text, sentence):
    page = staff_in("manager").post(f"{PATH}import/", a_file(text))
    assert page.status_code == 400
    assert sentence in text_of(page)
    assert not Suppression.objects.exists()


def test_the_export_is_a_file_and_following_links_gives_none():
    suppressed()
    browser = staff_in("manager")
    assert browser.get(f"{PATH}export/").status_code == 405
    answer = browser.post(f"{PATH}export/")
    assert answer["Content-Disposition"] == 'attachment; filename="suppressions.csv"'
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert lines[0] == "address,address_hash,channel,reason,since"
    assert lines[1].startswith("priya@example.com,")


def test_releasing_asks_for_a_reason_and_happens_once():
    row = suppressed()
    browser, path = staff_in("manager", first_name="Meera", last_name="Rao"), f"{PATH}{row.id}/release/"
    assert "Release p•••@example.com?" in text_of(browser.get(path))
    assert browser.post(path, {}).status_code == 400
    row.refresh_from_db()
    assert row.released_at is None
    assert "Released." in text_of(browser.post(path, {"reason": "entered_by_mistake"}, follow=True))
    assert "released this address already" in text_of(
        browser.post(path, {"reason": "client_asked"}, follow=True)
    )
    shown = text_of(browser.get(PATH, {"show": "released"}))
    assert "It was entered by mistake" in shown
    assert "Meera Rao" in shown
    assert browser.get(f"{PATH}{uuid4()}/release/").status_code == 404


def test_the_list_takes_the_same_few_queries(django_assert_max_num_queries):
    for number in range(30):
        suppressed(f"p{number}@example.com")
    browser = staff_in("manager")
    with django_assert_max_num_queries(12):
        browser.get(PATH)
