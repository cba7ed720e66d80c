"""The buttons of a communication from the outside: what is shown, what they do, who may press them (UI-2)."""

import re
import uuid

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from communications.choices import Status
from communications.models import Communication
from communications.services.dispatch import dispatch_due
from communications.tests.factories import a_communication, in_status
from communications.tests.web.conftest import somebody
from communications.tests.web.pages import assert_inert, words_of
from core.models import AuditEntry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ready")]

ACTIONS = ("cancel", "resend", "retry")


@pytest.fixture
def maria(db):
    """A browser of Maria Rossi, who may send."""
    user = User.objects.create_user("maria", first_name="Maria", last_name="Rossi", is_staff=True)
    codes = ("view_communication", "view_content", "add_communicationrequest")
    user.user_permissions.set(Permission.objects.filter(codename__in=codes))
    browser = Client()
    browser.force_login(user)
    return browser


def path(row, action=""):
    return f"/communications/{row.id}/{action}"


def buttons(response):
    """The actions that the page offers, in their order."""
    return re.findall(r'action="/communications/[-0-9a-f]{36}/(\w+)/"', response.content.decode())


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        (Status.SCHEDULED, ["cancel"]),
        (Status.HELD, ["cancel"]),
        (Status.MERGED, ["cancel"]),
        (Status.SENDING, ["cancel"]),
        (Status.IN_DOUBT, ["resend", "cancel"]),
        (Status.SENT, ["resend"]),
        (Status.DELIVERED, ["resend"]),
        (Status.RESPONDED, ["resend"]),
        (Status.FAILED, ["retry"]),
        (Status.CANCELLED, ["resend"]),
    ],
)
def test_only_what_is_possible_now_is_shown(maria, status, offered):
    response = maria.get(path(in_status(status)))
    assert buttons(response) == offered
    assert_inert(response)


def test_what_cannot_be_undone_asks_once_and_names_the_consequence(maria):
    told = words_of(maria.get(path(in_status(Status.IN_DOUBT))))
    assert "It may arrive twice. We could not find out whether it arrived." in told
    page = maria.get(path(in_status(Status.IN_DOUBT))).content.decode()
    assert "<details open" not in page
    assert page.index("<summary") < page.index("It may arrive twice.") < page.index("Send it again")


def test_sending_again_and_its_story(maria, smtp, transactional_db):
    row = in_status(Status.IN_DOUBT)
    response = maria.post(path(row, "resend/"), follow=True)
    assert response.redirect_chain == [(path(row), 302)]
    told = words_of(response)
    assert "Back in the queue." in told
    assert re.search(r"Maria Rossi had it sent again at \d\d:\d\d:\d\d today in Kolkata", told)
    assert "by Maria Rossi" in told
    dispatch_due()
    assert len(smtp.messages()) == 1
    assert "It went out at" in words_of(maria.get(path(row)))


def test_sending_anew_leads_to_the_new_one_and_both_name_the_other(maria):
    row = in_status(Status.SENT)
    response = maria.post(path(row, "resend/"), follow=True)
    anew = Communication.objects.get(resent_from=row)
    assert response.redirect_chain == [(path(anew), 302)]
    told = words_of(response)
    assert "This is the new message." in told
    assert "We chose e-mail because the earlier message had this channel." in told
    assert "Maria Rossi had it sent again at" in told
    assert f'href="{path(row)}"' in response.content.decode()
    assert f'href="{path(anew)}"' in maria.get(path(row)).content.decode()
    assert buttons(maria.get(path(row))) == []


def test_trying_again_is_told(maria):
    row = in_status(Status.FAILED)
    told = words_of(maria.post(path(row, "retry/"), follow=True))
    assert "Maria Rossi had it tried again at" in told


def test_cancelling_is_told(maria):
    row = a_communication()
    told = words_of(maria.post(path(row, "cancel/"), follow=True))
    assert "Cancelled. It will not be sent." in told
    assert "Maria Rossi cancelled it at" in told
    assert "What is next: It stays cancelled. Sending it after all makes a new message." in told
    entry = AuditEntry.objects.get(action="communication.cancelled")
    assert entry.actor == f"staff:{User.objects.get(username='maria').pk}"


def test_what_is_not_possible_any_more_is_told_kindly(maria):
    row = in_status(Status.FAILED)
    maria.post(path(row, "retry/"))
    response = maria.post(path(row, "retry/"), follow=True)
    assert response.status_code == 200
    assert "It waits and goes out by itself. Until then it can be cancelled." in words_of(response)


@pytest.mark.parametrize("action", ACTIONS)
def test_who_may_only_look_sees_no_button_and_gets_nowhere(action, reader, analyst):
    for browser in (reader, analyst):
        row = in_status(Status.FAILED)
        assert buttons(browser.get(path(row))) == []
        assert browser.post(path(row, f"{action}/")).status_code == 403
        row.refresh_from_db()
        assert row.status == Status.FAILED
    assert somebody("add_communicationrequest").post(path(row, f"{action}/")).status_code == 403


@pytest.mark.parametrize("action", ACTIONS)
def test_a_get_changes_nothing(action, maria):
    row = in_status(Status.FAILED)
    response = maria.get(path(row, f"{action}/"))
    assert (response.status_code, response["Location"]) == (302, path(row))
    row.refresh_from_db()
    assert row.status == Status.FAILED


@pytest.mark.parametrize("action", ACTIONS)
def test_a_form_of_a_foreign_page_changes_nothing(action):
    user = User.objects.create_superuser("root")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    row = in_status(Status.FAILED)
    assert browser.post(path(row, f"{action}/")).status_code == 403


@pytest.mark.parametrize("action", ACTIONS)
def test_one_that_does_not_exist(action, maria):
    assert maria.post(f"/communications/{uuid.uuid4()}/{action}/").status_code == 404
