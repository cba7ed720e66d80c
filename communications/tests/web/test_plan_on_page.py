"""What was decided, and what would be decided now, on the page of a communication (STR-6, UI-2)."""

from datetime import datetime, time

import pytest

from communications.choices import Status, Urgency
from communications.models import Communication
from communications.services.replan import replan
from communications.tests.factories import a_communication, in_status
from communications.tests.web.pages import assert_inert, words_of
from core import clock
from core.sealing import destroy_key
from preferences.models import ClientPreferences

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ready")]

EVENING = datetime.fromisoformat("2030-11-20T21:30:00+05:30")


def page_of(reader, row):
    response = reader.get(f"/communications/{row.id}/")
    assert response.status_code == 200
    assert_inert(response)
    return words_of(response)


@pytest.fixture
def waiting():
    clock.move_to(EVENING)
    return a_communication(urgency=Urgency.NORMAL)


def test_when_and_why_with_the_rule_behind_each_reason(reader, waiting):
    told = page_of(reader, waiting)
    assert "What was decided e-mail Thu 21 Nov 2030, 09:00 Kolkata" in told
    assert "If that fails no other channel was open" in told
    assert (
        "Why E-mail goes first: the content is detailed. The rule: Detailed content goes by e-mail first."
        in told
    )
    assert (
        "outside the contact window, 09:00 to 21:00. The rule: Messages of normal and low urgency go out"
        in told
    )
    assert "Planned anew" not in told


def test_what_changed_since_stands_beside_what_was_decided(reader, waiting):
    ClientPreferences.objects.update(quiet_hours_start=time(7), quiet_hours_end=time(12))
    replan(client_ids=[waiting.client_id], now=clock.now())
    told = page_of(reader, waiting)
    assert "What was decided e-mail Thu 21 Nov 2030, 09:00 Kolkata" in told
    assert "Held until 12:00 Asia/Kolkata: quiet hours." in told.partition("Planned anew")[2]
    assert "so its time was planned anew: 12:00" in told
    assert "because of Priya Sharma’s quiet hours." in told


def test_what_it_would_get_now(reader, waiting):
    """The client has moved to New York, where it is noon."""
    ClientPreferences.objects.update(timezone="America/New_York", preferred_channels=["sms"])
    now = page_of(reader, waiting).partition("If it were asked for now")[2]
    assert "It would not be sent." in now
    assert "E-mail is left out: the client chose other channels. not_chosen" in now
    ClientPreferences.objects.update(preferred_channels=None)
    now = page_of(reader, waiting).partition("If it were asked for now")[2]
    assert now.strip().startswith("E-mail, Wed 20 Nov 2030, 11:")


def test_what_went_out_is_not_planned_again(reader):
    row = in_status(Status.SENT)
    assert "If it were asked for now" not in page_of(reader, row)


def test_of_an_erased_client_nothing_is_planned(reader, waiting):
    destroy_key(waiting.client.data_key_id, now=clock.now())
    assert "If it were asked for now" not in page_of(reader, waiting)
    assert Communication.objects.get().status == Status.SCHEDULED
