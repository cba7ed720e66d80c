"""Providers, the pause switches, and the banner that every page shows while something is stopped (UI-1, UI-2)."""

import re
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backoffice.rules.pause_words import pause_words
from backoffice.tests.browsers import staff_in, text_of
from communications.choices import MessageType, OutcomeClass, PauseScope
from communications.gateway import connector_for
from communications.health import channel_health
from communications.models import Communication, Pause
from communications.services import pauses, sending_limits
from communications.services.waiting import waits_for_circuit, waits_for_pause
from communications.tests.factories import a_communication
from core import clock
from core.choices import Channel
from core.health import HealthStatus

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ready")]

SEE = {"administrator", "manager", "auditor"}
SWITCH = {"administrator", "manager"}
ROLES = ["administrator", "agent", "analyst", "auditor", "manager"]


def paused(scope=PauseScope.EVERYTHING, value="", *, actor="service:switchboard", reason=""):
    return pauses.pause(scope=scope, value=value, reason=reason, actor=actor, now=clock.now()).pause


def report(*outcomes):
    sending_limits.report(connector_for(Channel.EMAIL), outcomes, now=clock.now())


@pytest.mark.parametrize("role", ROLES)
class TestWhoMay:
    def test_see_the_page_and_its_place_in_the_menu(self, role):
        browser = staff_in(role)
        assert browser.get("/providers/").status_code == (200 if role in SEE else 403)
        assert ('href="/providers/"' in browser.get("/").content.decode()) is (role in SEE)

    def test_pull_the_switches(self, role):
        browser = staff_in(role)
        held = paused(PauseScope.CHANNEL, "sms")
        wish = {"scope": "channel", "value": "email"}
        assert browser.get("/providers/pause/", wish).status_code == (200 if role in SWITCH else 403)
        assert browser.post("/providers/pause/", wish).status_code == (302 if role in SWITCH else 403)
        assert Pause.objects.filter(value="email").exists() is (role in SWITCH)
        path = f"/providers/pauses/{held.id}/resume/"
        assert browser.get(path).status_code == (200 if role in SWITCH else 403)
        assert browser.post(path).status_code == (302 if role in SWITCH else 403)
        held.refresh_from_db()
        assert (held.lifted_at is not None) is (role in SWITCH)

    def test_are_offered_only_what_they_may(self, role):
        if role not in SEE:
            return
        held = paused()
        body = staff_in(role).get("/providers/").content.decode()
        assert (f"/providers/pauses/{held.id}/resume/" in body) is (role in SWITCH)
        assert ("/providers/pause/?scope=channel" in body) is (role in SWITCH)


class TestPausingAndResuming:
    def test_it_asks_names_the_consequence_and_does_it(self):
        browser = staff_in("manager", first_name="Meera", last_name="Rao")
        asked = text_of(browser.get("/providers/pause/?scope=channel&value=email"))
        assert "Pause e-mail?" in asked
        assert "Nothing goes out by e-mail from the moment you confirm, critical messages included" in asked
        assert Pause.objects.count() == 0  # a GET changes nothing
        done = browser.post(
            "/providers/pause/",
            {"scope": "channel", "value": "email", "reason": "Wrong prices"},
            follow=True,
        )
        shown = text_of(done)
        assert "E-mail is paused." in shown
        held = Pause.objects.get()
        assert held.created_by == f"staff:{browser.user.pk}"
        for path in ("/", "/providers/", "/history/", "/clients/"):
            banner = text_of(browser.get(path))
            assert "E-mail is paused · since" in banner, path
            assert "by Meera Rao · Wrong prices" in banner, path
        resumed = browser.post(f"/providers/pauses/{held.id}/resume/", follow=True)
        assert "Resumed e-mail. What waited goes out now." in text_of(resumed)
        assert "is paused · since" not in text_of(browser.get("/"))

    def test_resuming_tells_how_many_go_out(self):
        held = paused()
        row = a_communication()
        Communication.objects.filter(id=row.id).update(waits_for=waits_for_pause(held.id))
        asked = text_of(staff_in("manager").get(f"/providers/pauses/{held.id}/resume/"))
        assert "Resume all sending?" in asked
        assert "1 message waits and goes out at once" in asked

    def test_what_is_paused_already_or_resumed_already_is_told(self):
        browser = staff_in("manager")
        held = paused()
        again = browser.post("/providers/pause/", {"scope": "everything"}, follow=True)
        assert "All sending is paused already." in text_of(again)
        browser.post(f"/providers/pauses/{held.id}/resume/")
        twice = browser.post(f"/providers/pauses/{held.id}/resume/", follow=True)
        assert "Somebody resumed it already." in text_of(twice)
        assert browser.get(f"/providers/pauses/{held.id}/resume/").status_code == 404
        assert browser.post(f"/providers/pauses/{uuid4()}/resume/").status_code == 404

    @pytest.mark.parametrize(
        ("wish", "sentence"),
        [
            ({}, "Choose what to pause from the page."),
            ({"scope": "world"}, "Choose what to pause from the page."),
            ({"scope": "channel"}, "Say which channel to pause."),
            ({"scope": "channel", "value": "fax"}, "Use one of email, sms, whatsapp."),
            ({"scope": "everything", "value": "sms"}, "Leave this out to pause everything."),
            ({"scope": "plan", "value": "nobody-knows"}, "No plan has this reference."),
            ({"scope": "plan", "value": "a\0b"}, "Choose what to pause from the page."),
            ({"scope": "plan", "value": "p" * 65}, "Choose what to pause from the page."),
        ],
    )
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_what_makes_no_sense_leads_back_with_a_sentence(self, method, wish, sentence):
        answer = getattr(staff_in("manager"), method)("/providers/pause/", wish, follow=True)
        assert answer.redirect_chain == [("/providers/", 302)]
        assert sentence in text_of(answer)
        assert Pause.objects.count() == 0

    @pytest.mark.parametrize("reason", ["ask p@example.com", "x " * 150, "a\0b"])
    def test_a_reason_that_cannot_be_kept_is_asked_for_again(self, reason):
        wish = {"scope": "channel", "value": "email", "reason": reason}
        answer = staff_in("manager").post("/providers/pause/", wish)
        assert answer.status_code == 200
        assert "Pause e-mail?" in text_of(answer)
        assert 'aria-invalid="true"' in answer.content.decode()
        assert Pause.objects.count() == 0


class TestThePage:
    def test_all_is_well(self):
        shown = text_of(staff_in("administrator").get("/providers/"))
        assert "E-mail working" in shown
        assert "Closed: calls are made." in shown
        assert "nothing within a month" in shown
        assert "SMS not set up" in shown
        assert "Nothing is paused." in shown
        assert "as fast as it takes them" in shown

    def test_it_tells_circuit_rate_last_trouble_and_who_waits(self, settings):
        settings.SMTP_MAX_PER_SECOND = "2.5"
        report(OutcomeClass.ACCEPTED)
        report(OutcomeClass.CONFIG)
        row = a_communication()
        Communication.objects.filter(id=row.id).update(waits_for=waits_for_circuit("smtp"))
        shown = text_of(staff_in("auditor").get("/providers/"))
        assert "E-mail stopped" in shown
        assert re.search(r"Open since .* · our account is not in order · next try", shown)
        assert "the mail server did not let us in: our account is not in order config" in shown
        assert "1 message" in shown
        assert "2.5 messages a second at most" in shown
        assert "nothing within a month" not in shown

    def test_without_the_cache_it_says_so(self, settings):
        caches = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
        browser = staff_in("administrator")
        settings.CACHES = caches
        assert "The cache does not answer, so only the workers know." in text_of(browser.get("/providers/"))

    def test_the_cost_does_not_grow_with_the_pauses(self):
        browser = staff_in("administrator")

        def queries(path):
            with CaptureQueriesContext(connection) as captured:
                assert browser.get(path).status_code == 200
            return len(captured)

        paused(actor=f"staff:{browser.user.pk}")
        few = queries("/clients/")
        for kind in list(MessageType)[:5]:
            author = User.objects.create_user(f"author-{kind}")
            paused(PauseScope.MESSAGE_TYPE, kind, actor=f"staff:{author.pk}")
        assert queries("/clients/") == few


class TestTheBanner:
    def test_nothing_is_said_while_all_is_well(self):
        assert "What is stopped" not in staff_in("agent").get("/").content.decode()

    def test_a_provider_in_trouble_is_on_every_page(self):
        report(OutcomeClass.CONFIG)
        browser = staff_in("agent")
        for path in ("/", "/clients/", "/history/"):
            page = browser.get(path)
            assert "Our account with the mail server is not in order · since" in text_of(page), path
            assert 'href="/providers/"' not in page.content.decode()  # not for agents
        assert "Look and change" in text_of(staff_in("manager").get("/"))
        report(OutcomeClass.ACCEPTED)
        assert "not in order · since" not in text_of(browser.get("/"))

    def test_one_that_does_not_answer_is_told_as_that(self):
        report(*[OutcomeClass.TRANSIENT] * 5)
        assert "The mail server does not answer · since" in text_of(staff_in("agent").get("/"))

    def test_many_pauses_stay_a_few_lines(self):
        for kind in list(MessageType)[:5]:
            paused(PauseScope.MESSAGE_TYPE, kind)
        shown = text_of(staff_in("agent").get("/"))
        assert shown.count("are paused · since") == 3
        assert "And 2 more pauses" in shown
        assert "by the program switchboard" in shown


@pytest.mark.parametrize(
    ("scope", "value", "what", "state"),
    [
        ("everything", "", "all sending", "All sending is paused"),
        ("channel", "email", "e-mail", "E-mail is paused"),
        ("channel", "sms", "SMS", "SMS is paused"),
        ("channel", "whatsapp", "WhatsApp", "WhatsApp is paused"),
        ("plan", "p-1", "messages of plan p-1", "Messages of plan p-1 are paused"),
        (
            "message_type",
            "welcome",
            "messages of the kind “Welcome”",
            "Messages of the kind “Welcome” are paused",
        ),
    ],
)
def test_words(scope, value, what, state):
    words = pause_words(PauseScope(scope), value)
    assert (words.what, words.state) == (what, state)
    assert words.reach[0].isupper()


def test_health_tells_the_circuit(settings):
    assert channel_health(Channel.EMAIL).status is HealthStatus.HEALTHY
    report(OutcomeClass.CONFIG)
    found = channel_health(Channel.EMAIL)
    assert found.status is HealthStatus.DEGRADED
    assert re.fullmatch(r"Its circuit is open since .* UTC: our account is not in order\.", found.detail)
    settings.SMTP_HOST = ""
    assert channel_health(Channel.EMAIL).status is HealthStatus.NOT_CONFIGURED
