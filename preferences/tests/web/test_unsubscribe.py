"""One-click unsubscribing (RFC 8058) from outside: who acts, who only looks, and what the link is good for (SEC-5)."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client as Browser

from clients.models import Client, ContactPoint
from clients.services.register import ContactDetails
from clients.tests.factories import a_client
from core import spool
from core.choices import Channel
from core.tests.outages import database_away
from preferences.links import LinkSubject, unsubscribe_token
from preferences.models import ConsentEntry, Suppression
from preferences.selectors.consent import allowed_channels

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
ONE_CLICK = {"List-Unsubscribe": "One-Click"}

pytestmark = pytest.mark.django_db


@pytest.fixture
def client_row() -> Client:
    return a_client("client-1", ContactDetails(name="Priya", email="priya@example.com"), now=NOW)


@pytest.fixture
def browser() -> Browser:
    return Browser(enforce_csrf_checks=True, raise_request_exception=False)


def subject_of(client: Client) -> LinkSubject:
    point = ContactPoint.objects.filter(client=client).latest("created_at")
    return LinkSubject(client.id, point.id, Channel.EMAIL)


@pytest.fixture
def path(client_row: Client) -> str:
    return f"/u/{unsubscribe_token(subject_of(client_row))}"


def is_open(client_id: UUID) -> bool:
    return Channel.EMAIL in allowed_channels([client_id])[client_id]


def opt_outs() -> int:
    return ConsentEntry.objects.filter(state="opted_out", purpose="service").count()


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_post_opts_out_without_login_cookie_or_redirect(
    browser: Browser, path: str, slash: str, client_row: Client
) -> None:
    answer = browser.post(path + slash, ONE_CLICK, REMOTE_ADDR="203.0.113.7")
    assert (answer.status_code, dict(answer.cookies)) == (200, {})
    assert "You get no more e-mails from us" in answer.content.decode()
    assert "p•••@example.com" in answer.content.decode()
    assert not is_open(client_row.id)
    entry = ConsentEntry.objects.get(state="opted_out", purpose="service")
    assert (entry.source, entry.actor, entry.wording) == ("page", "client:link", "unsubscribe-1")
    assert entry.ip is not None


def test_posted_twice_it_is_one_opt_out(browser: Browser, path: str) -> None:
    answers = [browser.post(path, ONE_CLICK).status_code for _ in range(2)]
    assert (answers, opt_outs(), Suppression.objects.count()) == ([200, 200], 1, 1)


@pytest.mark.parametrize("method", ["get", "head"])
def test_who_only_looks_changes_nothing_and_gets_no_cookie(
    browser: Browser, path: str, client_row: Client, method: str
) -> None:
    """Scanners of mail providers follow every link."""
    for _ in range(3):
        answer = getattr(browser, method)(path)
        assert (answer.status_code, dict(answer.cookies)) == (200, {})
        assert answer["Referrer-Policy"] == "no-referrer"
        assert "no-store" in answer["Cache-Control"]
    assert (opt_outs(), is_open(client_row.id)) == (0, True)


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
def test_other_methods_are_refused(browser: Browser, path: str, method: str) -> None:
    assert getattr(browser, method)(path).status_code == 405
    assert opt_outs() == 0


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "application/x-www-form-urlencoded"),
        (b"List-Unsubscribe=one-click", "application/x-www-form-urlencoded"),
        (b"a=b", "application/x-www-form-urlencoded"),
        (b"\xff\xfe=\x00", "application/x-www-form-urlencoded"),
        (b"rubbish", "multipart/form-data; boundary=x"),
        (b"rubbish", "multipart/form-data"),
        (b'{"List-Unsubscribe": "One-Click"}', "application/json"),
    ],
)
def test_a_post_that_says_something_else_asks_again(
    browser: Browser, path: str, body: bytes, content_type: str
) -> None:
    answer = browser.generic("POST", path, body, content_type=content_type)
    assert (answer.status_code, opt_outs()) == (400, 0)
    assert "Stop e-mails from us?" in answer.content.decode()


def test_opting_in_again_is_one_button(browser: Browser, path: str, client_row: Client) -> None:
    """PRF-5"""
    browser.post(path, ONE_CLICK)
    assert "Start e-mails again" in browser.get(path).content.decode()
    answer = browser.post(path, {"List-Unsubscribe": "Again"})
    assert (answer.status_code, is_open(client_row.id)) == (200, True)
    assert "We write to you again" in answer.content.decode()


def test_a_link_that_was_changed_is_a_clean_page_and_changes_nothing(browser: Browser, path: str) -> None:
    wrong = [path[:-1], f"{path}A", path.replace("/u/", "/u/A"), "/u/x", "/u/%00", f"/u/{'a' * 5000}"]
    for each in wrong:
        for answer in (browser.get(each), browser.post(each, ONE_CLICK)):
            assert answer.status_code == 404
            assert "This link is not complete" in answer.content.decode()
    assert opt_outs() == 0


def test_a_link_opts_out_its_own_client_and_nobody_else(
    browser: Browser, path: str, client_row: Client
) -> None:
    other = a_client("client-2", ContactDetails(email="other@example.com"), now=NOW)
    browser.post(path, ONE_CLICK)
    assert (is_open(client_row.id), is_open(other.id)) == (False, True)


def test_an_old_mail_opts_out_the_client_whose_address_changed_since(
    browser: Browser, path: str, client_row: Client
) -> None:
    a_client("client-1", ContactDetails(email="new@example.com"), now=NOW)
    browser.post(path, ONE_CLICK)
    assert not is_open(client_row.id)
    assert Suppression.objects.count() == 2, "the address that it was sent to, and the one that is used now"


def test_links_outlive_secret_key_and_key_changes(
    browser: Browser, path: str, client_row: Client, settings: Any
) -> None:
    settings.SECRET_KEY = "another-secret-key-of-the-installation"
    settings.LINK_SIGNING_KEYS = ["a-new-key-in-front-of-the-old-ones-40-signs", *settings.LINK_SIGNING_KEYS]
    assert browser.post(path, ONE_CLICK).status_code == 200
    assert not is_open(client_row.id)


def test_a_link_of_a_client_who_is_not_here_is_answered_calmly(browser: Browser) -> None:
    nobody = f"/u/{unsubscribe_token(LinkSubject(uuid4(), uuid4(), Channel.EMAIL))}"
    assert browser.get(nobody).status_code == 200
    assert browser.post(nobody, ONE_CLICK).status_code == 200
    assert opt_outs() == 0


@pytest.mark.django_db(transaction=True)
def test_while_the_database_is_away_the_wish_waits_and_holds_everything_back(
    browser: Browser, client_row: Client, settings: Any
) -> None:
    settings.CRM_SPOOL_NAME = f"test-{uuid4()}"
    settings.CRM_ALLOW_DEMO_CLOCK = False
    path = f"/u/{unsubscribe_token(subject_of(client_row))}"
    with database_away():
        assert browser.get(path).status_code == 200
        answer = browser.post(path, ONE_CLICK)
        before = datetime.now(UTC)
    assert answer.status_code == 200
    assert "You get no more e-mails from us" in answer.content.decode()
    assert is_open(client_row.id)
    assert spool.holds_back(), "nothing is claimed before the opt-out is stored"
    assert spool.drain() == 1
    assert not is_open(client_row.id)
    assert ConsentEntry.objects.filter(state="opted_out").first().occurred_at <= before  # type: ignore[union-attr]


@pytest.mark.django_db(transaction=True)
def test_with_database_and_broker_away_it_says_so(
    browser: Browser, client_row: Client, settings: Any
) -> None:
    path = f"/u/{unsubscribe_token(subject_of(client_row))}"
    settings.CRM_ALLOW_DEMO_CLOCK = False
    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    with database_away():
        answer = browser.post(path, ONE_CLICK)
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert "We could not save this" in answer.content.decode()
