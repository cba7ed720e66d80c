"""Signing in and out, and sessions that ended while somebody was at work."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

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

    def test_attempts_are_limited_together_with_those_of_the_admin(self, person, settings):
        settings.CRM_THROTTLE_RATES = settings.CRM_THROTTLE_RATES | {"token": "2/min"}
        browser = Client()
        browser.post("/admin/login/", {"username": "asha", "password": "wrong"})
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

    def test_a_fragment_tells_its_page_to_load_again(self):
        answer = Client().get("/clients/", headers={"HX-Request": "true"})
        assert (answer.status_code, answer["HX-Refresh"]) == (401, "true")


def test_the_address_of_a_form_that_was_sent_opens_its_page_when_it_is_loaded(ready):
    browser = staff_in("agent")
    item = attention.raise_item(kind="x", dedupe_key="1", target="x:1", details={}, now=clock.now())
    assert browser.get(f"/attention/{item.id}/resolve/")["Location"] == "/"
    assert browser.get(f"/clients/{item.id}/reveal/")["Location"] == f"/clients/{item.id}/"
