"""Messages on phones, from the request to the provider: what goes out, in which words, and what if not (MSG-1, 3–7)."""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from clients.models import ContactPoint
from communications.choices import AttemptStatus, Cause, MessageType, Status, Urgency
from communications.gateway import close_connectors
from communications.models import Communication
from communications.rules.segments import Encoding, measure
from communications.selectors.detail import get_communication
from communications.services.dispatch import dispatch_due
from communications.tests.factories import a_communication, combinations
from communications.tests.steps import due_again, story
from core.choices import Channel
from core.models import AttentionItem
from sandbox.credentials import TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_PHONE_NUMBER
from sandbox.testing import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]

PRIYA = "+919812345678"


@pytest.fixture
def twilio(smtp: Sandbox, settings: Settings) -> Iterator[Sandbox]:
    """SMS by the sandbox's Twilio beside its mail server."""
    smtp.clear_texts()
    smtp.behave_as("twilio", "accept")
    settings.TWILIO_ACCOUNT_SID = TWILIO_ACCOUNT_SID
    settings.TWILIO_AUTH_TOKEN = TWILIO_AUTH_TOKEN
    settings.TWILIO_PHONE_NUMBER = TWILIO_PHONE_NUMBER
    settings.TWILIO_API_BASE_URL = smtp.urls["twilio"]
    yield smtp
    close_connectors()
    smtp.behave_as("twilio", "accept")


def an_alert(**changes: Any) -> dict[str, Communication]:
    """By channel. An alert goes by SMS, with the explanation by e-mail beside it."""
    context = {"client_phone": PRIYA} | changes.pop("context", {})
    first = a_communication(message_type=MessageType.ERROR_NOTIFICATION, context=context, **changes)
    return {row.channel: row for row in first.request.communications.all()}


def text_of(row: Communication) -> str | None:
    return get_communication(row.id).text


def test_an_alert_goes_by_sms_with_its_explanation_by_email(twilio: Sandbox) -> None:
    rows = an_alert()
    assert set(rows) == {"sms", "email"}
    dispatch_due()
    (text,) = twilio.texts("twilio")
    (mail,) = twilio.messages()
    rows["sms"].refresh_from_db()
    attempt = rows["sms"].attempts.get()
    assert (rows["sms"].status, rows["sms"].role) == (Status.SENT, "primary")
    assert (attempt.provider, attempt.provider_message_id) == ("twilio", text["provider_id"])
    assert attempt.delivery_status == AttemptStatus.ACCEPTED
    assert text["to"] == PRIYA
    assert text["text"] == text_of(rows["sms"]) != text_of(rows["email"])
    assert measure(text["text"]).fits_one
    assert text["text"].startswith("Planiva Event Planning: sorry, planning your wedding is delayed")
    assert "went wrong on our side" in mail.parsed().get_body(("plain",)).get_content()


def test_the_callers_link_stands_whole_at_the_end(twilio: Sandbox) -> None:
    link = "https://plans.planiva.example/choose/8fJ2kQ?lang=en"
    first = a_communication(
        message_type=MessageType.VENDOR_OPTIONS,
        context={"client_phone": PRIYA, "selection_url": link, "event_type": "corporate gala dinner " * 5},
    )
    dispatch_due()
    (text,) = twilio.texts("twilio")
    assert text["text"].endswith(f" {link}")
    assert measure(text["text"]).fits_one
    assert {row.channel for row in first.request.communications.all()} == {"email", "sms"}


def test_a_link_that_is_too_long_for_a_text_is_left_out(twilio: Sandbox) -> None:
    link = "https://x.example/" + "a" * 200
    a_communication(
        message_type=MessageType.VENDOR_OPTIONS,
        context={"client_phone": PRIYA, "selection_url": link, **combinations("a", "b")},
    )
    dispatch_due()
    (text,) = twilio.texts("twilio")
    assert "Tell us your choice: support@planiva.example" in text["text"]
    assert measure(text["text"]).encoding is Encoding.GSM


def test_another_script_costs_room_only_where_it_is_needed(twilio: Sandbox) -> None:
    an_alert(context={"event_type": "शादी"})
    dispatch_due()
    (text,) = twilio.texts("twilio")
    assert measure(text["text"]).fits_one
    assert "delayed" in text["text"]


@pytest.mark.parametrize(("code", "marked"), [(21614, True), (21610, False), (30007, False), (20003, False)])
def test_what_sms_cannot_carry_goes_on_by_the_next_channel(twilio: Sandbox, code: int, marked: bool) -> None:
    """A message that has no sibling by e-mail goes there at once, composed as a mail."""
    twilio.behave_as("twilio", "error", code=code, receipt=False)
    row = a_communication(
        message_type=MessageType.CUSTOM,
        preferred_channel=Channel.SMS,
        context={"client_phone": PRIYA, "message": "The florist needs your answer.", "subject": "Flowers"},
    )
    assert row.channel == "sms"
    dispatch_due()
    dispatch_due()
    row.refresh_from_db()
    assert (row.channel, row.status) == ("email", Status.SENT)
    assert Cause.NEXT_CHANNEL in story(row)
    (mail,) = twilio.messages()
    assert mail.parsed()["Subject"] == "Flowers"
    assert twilio.texts("twilio") == []
    assert "The florist needs your answer." in (text_of(row) or "")
    assert (text_of(row) or "").startswith("Hello Priya Sharma")
    points = ContactPoint.objects.filter(client_id=row.client_id, undeliverable_at__isnull=False)
    assert [point.kind for point in points] == (["phone"] if marked else [])


def test_a_mail_that_bounces_at_once_goes_on_by_sms_as_a_text(twilio: Sandbox) -> None:
    twilio.behave("refuse", code=550, text="5.1.1 unknown")
    row = a_communication(context={"client_phone": PRIYA})
    dispatch_due()
    dispatch_due()
    row.refresh_from_db()
    (text,) = twilio.texts("twilio")
    assert (row.channel, row.status) == ("sms", Status.SENT)
    assert text["text"] == text_of(row)
    assert text["text"].startswith("Planiva Event Planning: welcome, Priya Sharma!")


def test_no_answer_is_in_doubt_and_never_sent_again(twilio: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    twilio.behave_as("twilio", "error", code=502)
    row = an_alert(urgency=Urgency.HIGH)["sms"]
    dispatch_due()
    row.refresh_from_db()
    assert row.status == Status.IN_DOUBT
    assert row.attempts.get().delivery_status == AttemptStatus.UNKNOWN
    assert AttentionItem.objects.filter(kind="in_doubt").count() == 1
    twilio.behave_as("twilio", "accept")
    dispatch_due()
    assert twilio.texts("twilio") == []


def test_a_provider_that_is_away_is_tried_again(twilio: Sandbox) -> None:
    twilio.behave_as("twilio", "unreachable")
    row = an_alert()["sms"]
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, row.retry_count) == (Status.SCHEDULED, 1)
    twilio.behave_as("twilio", "accept")
    due_again(row)
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, len(twilio.texts("twilio"))) == (Status.SENT, 1)


def test_without_a_provider_the_channel_is_closed(smtp: Sandbox) -> None:
    assert set(an_alert()) == {"email"}
