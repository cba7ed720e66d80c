"""Unsubscribing, the preference centre and the staff pages beside them, in a real browser, wide and on a phone, with
and without JavaScript (PRF-2, PRF-5, SEC-5)."""

import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PHONE
from tests.browser.test_pages import assert_accessible, assert_fits, sign_in
from tests.running_stack import RunningStack, eventually

pytestmark = pytest.mark.stack


class Mailed:
    """A client who got a mail, with the links that really stand in it."""

    def __init__(self, stack: RunningStack) -> None:
        unique = uuid4().hex[:8]
        self.reference, address = f"reader-{unique}", f"priya.{unique}@example.com"
        stack.request(
            {
                "plan_id": f"reader-plan-{unique}",
                "client_id": self.reference,
                "message_type": "welcome",
                "urgency": "critical",
                "context": {
                    "client_name": "Priya Sharma",
                    "client_email": address,
                    # Of nobody else: an opt-out holds for everybody who has the number.
                    "client_phone": f"+9198{int(unique, 16) % 10**8:08}",
                    "event_type": "wedding",
                    "event_date": "2035-12-15",
                },
                "client": {"timezone": "Asia/Kolkata"},
            },
            wait=10,
        )
        listed = eventually(lambda: stack.mails_to(address), what="the mail")
        mail = stack.parsed_mail(listed[0]["id"])
        self.unsubscribe = str(mail["List-Unsubscribe"]).strip("<>")
        self.stack = stack

    def preferences(self) -> dict[str, object]:
        found: dict[str, object] = self.stack.api("GET", f"/api/crm/preferences/{self.reference}").json()
        return found

    def opted_out(self) -> set[str]:
        return {name for name, out in dict(self.preferences()["opted_out"]).items() if out}  # type: ignore[call-overload]


@pytest.fixture
def mailed(stack: RunningStack) -> Mailed:
    return Mailed(stack)


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without"])
def phone(request: pytest.FixtureRequest, browser: Browser, stack: RunningStack) -> Iterator[Page]:
    context = browser.new_context(
        viewport=PHONE, java_script_enabled=request.param, timezone_id="Asia/Tokyo", locale="en-GB"
    )
    yield context.new_page()
    context.close()


def test_unsubscribing_asks_acts_and_can_be_taken_back(page: Page, mailed: Mailed) -> None:
    page.goto(mailed.unsubscribe)
    expect(page.get_by_role("heading", level=1)).to_have_text("Stop e-mails from us?")
    assert_accessible(page)
    assert_fits(page)
    assert mailed.opted_out() == set(), "looking changes nothing"
    page.get_by_role("button", name="Stop e-mails").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You get no more e-mails from us")
    assert_accessible(page)
    assert_fits(page)
    assert mailed.opted_out() == {"email"}
    page.reload()  # sends the form again
    assert mailed.opted_out() == {"email"}
    page.get_by_role("button", name="Start e-mails again").click()
    assert mailed.opted_out() == set()
    assert page.context.cookies() == []


def test_the_preference_centre(page: Page, mailed: Mailed) -> None:
    page.goto(mailed.unsubscribe)
    page.get_by_role("link", name="Choose channels").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("how should we write to you?")
    for each in page.locator("details").all():
        each.locator("summary").click()
    assert_accessible(page)
    assert_fits(page)
    page.get_by_label("SMS +91").uncheck()
    page.get_by_label("Quiet hours", exact=True).check()
    page.get_by_label("From").fill("21:00")
    page.get_by_label("Until", exact=True).fill("21:00")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("Start and end must differ.")
    expect(page.locator("main")).to_contain_text("Nothing was saved yet.")
    assert_accessible(page)
    assert mailed.opted_out() == set()


def test_it_works_on_a_phone_with_and_without_javascript(phone: Page, mailed: Mailed) -> None:
    page = phone
    page.goto(mailed.unsubscribe)
    page.get_by_role("link", name="Choose channels").click()
    with_script = page.get_by_role("button", name="Use Asia/Tokyo").is_visible()
    if with_script:
        page.get_by_role("button", name="Use Asia/Tokyo").click()
    else:
        page.get_by_label("Time zone").fill("Asia/Tokyo")
    page.get_by_label("WhatsApp +91").check()
    page.get_by_label("Place of WhatsApp").select_option("first")
    page.get_by_label("SMS +91").uncheck()
    page.get_by_label("Together, once a day").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("Saved.")
    held = mailed.preferences()
    assert (held["timezone"], held["frequency"]) == ("Asia/Tokyo", "daily")
    assert held["preferred_channels"] == ["whatsapp", "email"]
    assert mailed.opted_out() == {"sms"}


def test_a_scanner_that_follows_every_link_changes_nothing(page: Page, mailed: Mailed) -> None:
    before = mailed.preferences()
    seen: set[str] = set()
    waiting = [mailed.unsubscribe]
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        page.goto(address)
        links = page.locator("a[href]").all()
        waiting += [
            link
            for each in links
            if (link := each.evaluate("a => a.href")).startswith(str(mailed.stack.facts["url"]))
        ]
        page.request.head(address)
    assert len(seen) >= 2
    assert mailed.preferences() == before


def test_staff_set_preferences_and_suppress_an_address(
    page: Page, stack: RunningStack, mailed: Mailed
) -> None:
    page.goto("/login/")
    sign_in(page, stack)
    expect(page).not_to_have_url(re.compile("/login/"))
    page.goto("/preferences/")
    assert_accessible(page)
    assert_fits(page)
    page.get_by_label("Client", exact=True).fill(mailed.reference)
    page.get_by_role("button", name="Load").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Preferences of Priya Sharma")
    assert_accessible(page)
    assert_fits(page)
    page.get_by_label("Time zone").fill("Europe/Rome")
    page.get_by_label("Why").fill("They moved.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#notices")).to_contain_text("Saved.")
    expect(page.locator("main")).to_contain_text("Asia/Kolkata → Europe/Rome")
    assert mailed.preferences()["timezone"] == "Europe/Rome"
    page.goto("/suppressions/")
    assert_accessible(page)
    assert_fits(page)
    page.get_by_label("Address or number").fill(f"{mailed.reference}@nowhere.example")
    page.get_by_role("button", name="Never write there").click()
    expect(page.locator("#notices")).to_contain_text("Nothing is sent there from now on.")
    assert_accessible(page)
    page.get_by_role("link", name=re.compile("^Release ")).first.click()
    page.get_by_label("Why").select_option("It was entered by mistake")
    page.get_by_role("button", name="Release it").click()
    expect(page.locator("#notices")).to_contain_text("Released.")
