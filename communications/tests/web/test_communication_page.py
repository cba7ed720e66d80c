"""/communications/<id>/ from the outside (UI-2): the story, the message, what happened, and who may read it."""

import re
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from communications.agents.email import TEMPLATE_MISSING
from communications.choices import Cause, MessageType, OutcomeClass, Role, Status
from communications.models import Communication, DeliveryAttempt, DeliveryEvent, Template
from communications.services import lifecycle
from communications.services.commands import ClientData
from communications.services.dispatch import dispatch_due
from communications.services.lifecycle import Transition
from communications.tests.api.test_detail import an_attempt
from communications.tests.factories import a_communication, in_status, lead_to
from communications.tests.steps import due_again
from communications.tests.web.conftest import somebody
from communications.tests.web.pages import assert_inert, assert_login_and_back, directives, words_of
from core import clock
from core.choices import Channel
from core.sealing import destroy_key, load_keys, seal

NASTY = '<script>alert("1")</script><img src=https://evil.example/x.png onerror=alert(2)>'

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ready")]


def path(row, more=""):
    return f"/communications/{row.id}/{more}"


@pytest.fixture
def sent(transactional_db, ready):
    """One that really went out."""
    row = a_communication()
    dispatch_due()
    row.refresh_from_db()
    assert row.status == Status.SENT
    return row


def test_the_story_of_one_that_went_out(reader, sent):
    response = reader.get(path(sent))
    told = words_of(response)
    assert "Welcome for Priya Sharma" in told
    assert "We chose e-mail because the message is critical." in told
    assert re.search(
        r"went out at \d\d:\d\d:\d\d today in Kolkata .* and was accepted by the mail server\.", told
    )
    assert "What is next: Nothing more is planned" in told
    assert told.index("Accepted") < told.index("Taken for sending") < told.index("Planned")
    assert f'href="/clients/{sent.client_id}/"' in response.content.decode()
    assert f"plan_id={sent.plan.reference}" in response.content.decode()
    assert "250" in told
    assert_inert(response)


def test_a_retry_is_told_with_the_servers_words(reader, smtp, transactional_db):
    smtp.behave("refuse", code=451, text="4.3.0 try later", count=1)
    row = a_communication()
    dispatch_due()
    due_again(row)
    dispatch_due()
    told = words_of(reader.get(path(row)))
    assert "The mail server asked us to try later (451 4.3.0)" in told
    assert "we tried again after" in told
    assert "It went out at" in told


@pytest.mark.parametrize(("view", "shown"), [("desktop", "iframe"), ("phone", "iframe"), ("text", "pre")])
def test_the_message_is_shown_in_three_ways_without_scripts(reader, view, shown):
    row = a_communication()
    text = reader.get(path(row), {"view": view}).content.decode()
    assert ("<iframe" in text) == (shown == "iframe")
    assert ("preview--phone" in text) == (view == "phone")
    assert ('class="preview-text"' in text) == (shown == "pre")
    assert re.search(rf'<a href="\?view={view}#[^"]*" aria-current="true"', text)
    for other in ("desktop", "phone", "text"):
        assert f'href="?view={other}#' in text


@pytest.mark.parametrize("view", ["", "nonsense", NASTY, "\0"])
def test_nonsense_for_a_view_shows_the_usual_one(reader, view):
    response = reader.get(path(a_communication()), {"view": view})
    assert response.status_code == 200
    assert "<iframe" in response.content.decode()
    assert_inert(response)


def test_the_frame_may_do_nothing(reader):
    response = reader.get(path(a_communication()))
    assert 'sandbox=""' in response.content.decode()
    assert directives(response)["frame-src"] == ["'self'"]
    assert directives(response)["frame-ancestors"] == ["'none'"]


def test_the_preview_is_what_was_sent_under_a_policy_of_its_own(reader, sent):
    response = reader.get(path(sent, "preview/"))
    assert response.status_code == 200
    assert "Priya Sharma" in response.content.decode()
    assert directives(response) == {
        "default-src": ["'none'"],
        "style-src": ["'unsafe-inline'"],
        "img-src": ["data:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'self'"],
        "sandbox": [],
    }
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert "no-store" in response["Cache-Control"]
    assert "Made again now" not in words_of(reader.get(path(sent)))


def test_a_preview_that_differs_from_what_was_sent_says_so(reader, sent):
    Communication.objects.filter(id=sent.id).update(html_sha256="0" * 64)
    assert "Made again now" in words_of(reader.get(path(sent)))


def test_html_in_names_and_contents_is_only_text_everywhere(reader):
    row = a_communication(
        message_type=MessageType.CUSTOM,
        client=ClientData(name=NASTY, email="nasty@example.com"),
        context={"client_name": NASTY, "subject": NASTY, "message": NASTY},
    )
    an_attempt(row, 1, f"550 {NASTY}")
    for address in (path(row), path(row, "?view=text"), path(row, "message/")):
        response = reader.get(address)
        assert "<img src=https" not in response.content.decode()
        assert NASTY in words_of(response)
        assert_inert(response)
    mail = reader.get(path(row, "preview/")).content.decode()
    assert "<script>alert" not in mail
    assert "<img src=https" not in mail


def test_one_that_went_out_by_the_general_template_says_so(reader):
    Template.objects.exclude(name="generic").update(active_version=None)
    row = a_communication()
    assert row.metadata == {"degraded": TEMPLATE_MISSING}
    told = words_of(reader.get(path(row)))
    assert "It has no template of its own yet, so it uses the general one." in told
    assert "What helps: Make a template for “Welcome”" in told


def test_one_without_html_shows_its_text(reader):
    Template.objects.update(active_version=None)
    row = a_communication()
    response = reader.get(path(row))
    assert 'class="preview-text"' in response.content.decode()
    assert "<iframe" not in response.content.decode()
    assert reader.get(path(row, "preview/")).status_code == 404


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.HELD, Status.MERGED}))
def test_every_status_has_its_page(reader, status):
    row = in_status(status)
    for address in (path(row), path(row, "message/")):
        response = reader.get(address)
        assert response.status_code == 200
        assert "What is next:" in words_of(response)


# Who may read what


def test_contents_are_withheld_kindly(analyst, reader, sent):
    with_words = an_attempt(sent, 2, "550 <priya@example.com> unknown")
    tell_payload(sent, with_words, "550 <priya@example.com> unknown")
    response = analyst.get(path(sent))
    told = words_of(response)
    assert "is not shown with your role" in told
    assert "went out at" in told
    for secret in ("priya@example.com", "Subject:", "<iframe"):
        assert secret in reader.get(path(sent)).content.decode() + words_of(reader.get(path(sent)))
        assert secret not in response.content.decode() + told
    assert analyst.get(path(sent, "preview/")).status_code == 403
    assert "is not shown with your role" in words_of(analyst.get(path(sent, "message/")))


@pytest.mark.parametrize("more", ["", "preview/", "message/"])
def test_who_may_not_come_in(more):
    row = a_communication()
    assert_login_and_back(path(row, more))
    assert somebody("view_content").get(path(row, more)).status_code == 403


@pytest.mark.parametrize("more", ["", "preview/", "message/"])
def test_one_that_does_not_exist(reader, more):
    assert reader.get(f"/communications/{uuid.uuid4()}/{more}").status_code == 404
    assert reader.get(f"/communications/not-an-id/{more}").status_code == 404


@pytest.mark.parametrize("more", ["", "preview/", "message/"])
def test_nothing_can_be_sent_to_it(reader, more):
    assert reader.post(path(a_communication(), more)).status_code == 405


def test_an_erased_client_leaves_the_story(reader, sent):
    destroy_key(sent.client.data_key_id, now=clock.now())
    told = words_of(reader.get(path(sent)))
    assert "cannot be read any more" in told
    assert "went out at" in told
    assert reader.get(path(sent, "preview/")).status_code == 404


# However much happened


def tell_payload(row, attempt, words):
    key = load_keys([row.client.data_key_id])[row.client.data_key_id]
    now = clock.now()
    DeliveryEvent.objects.create(
        communication=row,
        attempt=attempt,
        cause=Cause.RECEIPT,
        actor="system:test",
        occurred_at=now,
        recorded_at=now,
        payload=seal(DeliveryEvent, "payload", words, key),
    )


def test_raw_events_are_folded_and_hold_the_providers_words(reader):
    row = a_communication()
    tell_payload(row, None, "550 5.1.1 nobody")
    text = reader.get(path(row)).content.decode()
    folded = re.search(r"<summary>Raw events</summary>.*?</details>", text, re.DOTALL)[0]
    assert "550 5.1.1 nobody" in folded
    assert "<details open" not in text


def test_it_takes_the_same_few_queries_however_much_happened(reader):
    row = a_communication()
    tell_payload(row, an_attempt(row, 1, "451 try later"), "451")
    reader.get(path(row))
    with CaptureQueriesContext(connection) as few:
        reader.get(path(row))
    for number in range(2, 7):
        tell_payload(row, an_attempt(row, number, "451 try later"), "451")
    with CaptureQueriesContext(connection) as many:
        reader.get(path(row))
    assert len(few) == len(many) <= 28


def a_sibling(row, channel, status=Status.SCHEDULED):
    """The same request on another channel, as a request with a companion has it."""
    made = Communication.objects.get(id=row.id)
    made.id, made.channel, made.role = uuid.uuid4(), channel, Role.COMPANION
    made.save(force_insert=True)
    lead_to(made, status)
    return made


def test_the_same_on_other_channels_is_named_with_how_it_stands(reader):
    row = a_communication()
    assert "The same on other channels" not in words_of(reader.get(path(row)))
    companion = a_sibling(row, Channel.SMS, Status.FAILED)
    a_communication()
    for one, other, words in ((row, companion, "SMS failed"), (companion, row, "e-mail goes out")):
        response = reader.get(path(one))
        section = response.content.decode().partition('aria-labelledby="siblings-heading"')[2]
        section = section.partition("</section>")[0]
        assert re.findall(r'<a href="([^"]+)"', section) == [path(other)]
        assert words in " ".join(re.sub(r"<[^>]+>", " ", section).split())


def test_more_siblings_cost_no_more_queries(reader):
    row = a_communication()
    a_sibling(row, Channel.SMS)
    with CaptureQueriesContext(connection) as few:
        reader.get(path(row))
    a_sibling(row, Channel.WHATSAPP)
    with CaptureQueriesContext(connection) as many:
        reader.get(path(row))
    assert len(few) == len(many)


def test_a_very_long_story_shows_its_newest_part(reader):
    row = a_communication()
    for _ in range(205):
        DeliveryEvent.objects.create(
            communication=row,
            from_status=Status.SENDING,
            to_status=Status.SCHEDULED,
            cause=Cause.CONFIGURATION,
            reason="configuration_hold",
            code="535 5.7.8",
            actor="worker:a:1",
            occurred_at=clock.now(),
            recorded_at=clock.now(),
        )
    told = words_of(reader.get(path(row)))
    assert "The newest 200 of 206 are shown" in told
    assert "205 times between" in told


def test_a_failure_says_what_helps(reader):
    row = in_status(Status.SENDING)
    attempt = an_attempt(row, 1, "550 5.1.1 nobody")
    DeliveryAttempt.objects.update(outcome_class=OutcomeClass.RECIPIENT, outcome_code="550 5.1.1")
    now = clock.now()
    change = Transition(
        row.id,
        Status.FAILED,
        Cause.NO_CHANNEL_LEFT,
        "worker:a:1",
        now,
        attempt_id=attempt.id,
        reason="recipient_refused",
        code="550 5.1.1",
    )
    assert lifecycle.apply([change], now=now).changed
    told = words_of(reader.get(path(row)))
    assert "The mail server said that the e-mail address does not exist (550 5.1.1)" in told
    assert "there is no such mailbox" in told
    assert "What helps: Correct the e-mail address of Priya Sharma, then try it again." in told
