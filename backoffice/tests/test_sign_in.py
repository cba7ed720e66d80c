"""Signing in and out, and sessions that ended while somebody was at work."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from backoffice.tests.browsers import staff_in, text_of
from core import attention, clock

pytestmark = pytest.mark.django_db
PASSWORD = "a quiet place in Pune"


@pytest.fixture
def person():
    return User.objects.create_superuser("asha", password=PASSWORD)


def sign_in(browser, path="/login/", **changes):
    return browser.post(path, {"username": "asha", "password": PASSWORD} | changes)


class TestSigningIn:
    def test_it_leads_to_today(self, person):
        browser = Client()
        answer = sign_in(browser)
        assert (answer.status_code, answer["Location"]) == (302, "/")
        assert browser.get("/").status_code == 200

    def test_it_leads_back_to_the_page_and_nowhere_else(self, person):
        page = Client().get("/login/?next=/clients/%3Fq%3Dpriya")
        assert 'value="/clients/?q=priya"' in page.content.decode()
        assert sign_in(Client(), next="/clients/?q=priya")["Location"] == "/clients/?q=priya"
        assert sign_in(Client(), next="https://evil.example/")["Location"] == "/"
        assert sign_in(Client(), next="//evil.example/")["Location"] == "/"

    @pytest.mark.parametrize(
        "changes", [{"password": "wrong"}, {"username": "nobody"}, {"username": "a\x00b"}]
    )
    def test_what_does_not_fit_is_told_without_saying_which(self, person, changes):
        answer = sign_in(Client(), **changes)
        assert answer.status_code == 200
        assert "do not go together" in text_of(answer) or "Null characters" in text_of(answer)

    def test_who_is_not_staff_does_not_get_in(self):
        User.objects.create_user("asha", password=PASSWORD)
        browser = Client()
        assert "not one for the staff pages" in text_of(sign_in(browser))
        assert browser.get("/").status_code == 302

    def test_attempts_are_limited(self, person, settings):
        settings.CRM_THROTTLE_RATES = settings.CRM_THROTTLE_RATES | {"token": "2/min"}
        browser = Client()
        sign_in(browser, password="wrong")
        sign_in(browser, password="wrong")
        answer = sign_in(browser)
        assert answer.status_code == 429
        assert int(answer["Retry-After"]) > 0
        assert "Too many attempts to sign in" in text_of(answer)
        assert browser.get("/").status_code == 302

    def test_it_needs_the_csrf_token(self, person):
        answer = sign_in(Client(enforce_csrf_checks=True))
        assert answer.status_code == 403
        assert "This form was open too long" in text_of(answer)


class TestTheAdmin:
    """It has no sign-in of its own, so there is one throttle and one way back."""

    def test_it_leads_to_the_one_sign_in_and_back(self, person):
        browser = Client()
        first = browser.get("/admin/core/heartbeat/?all=")
        there = browser.get(first["Location"])
        assert there["Location"] == "/login/?next=/admin/core/heartbeat/%3Fall%3D"
        assert sign_in(browser, there["Location"])["Location"] == "/admin/core/heartbeat/?all="
        assert browser.get("/admin/core/heartbeat/").status_code == 200

    def test_guessing_there_is_no_way_around(self, person):
        browser = Client()
        assert sign_in(browser, "/admin/login/")["Location"] == "/login/?next=/admin/"
        assert browser.get("/").status_code == 302

    def test_a_foreign_way_back_is_not_taken(self, person):
        there = Client().get("/admin/login/?next=https://evil.example/")["Location"]
        assert sign_in(Client(), there)["Location"] == "/"

    def test_who_may_not_come_in_does_not_go_round_in_circles(self):
        browser = Client()
        browser.force_login(User.objects.create_user("visitor"))
        answer = browser.get("/admin/", follow=True)
        assert answer.status_code == 403
        assert "This is not part of your role" in text_of(answer)

    def test_signing_out_there_leads_to_the_sign_in(self):
        browser = staff_in("agent")
        assert browser.post("/admin/logout/")["Location"] == "/login/"
        assert browser.get("/").status_code == 302


def test_a_session_lasts_a_working_day_from_signing_in(person):
    browser = Client()
    assert sign_in(browser).cookies["sessionid"]["max-age"] == 12 * 3600
    assert "sessionid" not in browser.get("/").cookies
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert browser.get("/")["Location"] == "/login/?next=/"


def test_signing_out_is_a_post():
    browser = staff_in("agent")
    assert browser.get("/logout/").status_code == 405
    assert browser.get("/").status_code == 200
    assert browser.post("/logout/")["Location"] == "/login/"
    assert browser.get("/").status_code == 302


class TestAnExpiredSession:
    def test_a_form_that_was_sent_leads_back_to_the_page_that_it_stood_on(self):
        item = attention.raise_item(kind="x", dedupe_key="1", target="x:1", details={}, now=clock.now())
        path = f"/attention/{item.id}/resolve/"
        answer = Client().post(path, headers={"Referer": "http://testserver/?show=open"})
        assert answer["Location"] == "/login/?next=/%3Fshow%3Dopen"
        for strange in ("https://evil.example/x", "javascript:alert(1)", "\x00"):
            assert Client().post(path, headers={"Referer": strange})["Location"] == "/login/?next=/"
        item.refresh_from_db()
        assert item.resolved_at is None

    @pytest.mark.parametrize("path", ["/clients/", "/next/", "/find/?q=priya", "/history/rows/"])
    def test_a_fragment_tells_its_page_to_load_again(self, path):
        answer = Client().get(path, headers={"HX-Request": "true"})
        assert (answer.status_code, answer["HX-Refresh"], answer.content) == (401, "true", b"")


def test_the_address_of_a_form_that_was_sent_opens_its_page_when_it_is_loaded(ready):
    browser = staff_in("agent")
    item = attention.raise_item(kind="x", dedupe_key="1", target="x:1", details={}, now=clock.now())
    assert browser.get(f"/attention/{item.id}/resolve/")["Location"] == "/"
    assert browser.get(f"/clients/{item.id}/reveal/")["Location"] == f"/clients/{item.id}/"
