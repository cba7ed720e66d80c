"""What a member of staff does on the pages, in a real browser, wide and on a phone (UI-1, UI-2, SEC-8)."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from backoffice.rules.commands import COMMANDS
from tests.browser.conftest import WIDE
from tests.running_stack import RunningStack, eventually

pytestmark = pytest.mark.stack


@pytest.fixture(scope="session")
def sent(stack: RunningStack) -> dict[str, str]:
    """A message that went out, to a client whose name tries to be more than a name."""
    unique = uuid4().hex[:8]
    address = f"priya.{unique}@example.com"
    answer = stack.request(
        {
            "plan_id": f"browser-plan-{unique}",
            "client_id": f"browser-client-{unique}",
            "message_type": "welcome",
            "urgency": "critical",
            "context": {
                "client_name": f"Priya <script>window.taken=1</script> {unique}",
                "client_email": address,
                "event_type": "wedding",
                "event_date": "2035-12-15",
            },
            "client": {"timezone": "Asia/Kolkata"},
        },
        wait=10,
    )
    identifier = answer["communication_id"]
    eventually(lambda: stack.communication(identifier)["status"] == "sent", what="sending")
    return {"id": identifier, "name": unique, "address": address, "client": f"browser-client-{unique}"}


def sign_in(page: Page, stack: RunningStack) -> None:
    staff = stack.facts["staff"]
    page.get_by_label("Username").fill(staff["username"])
    page.get_by_label("Password").fill(staff["password"])
    page.get_by_role("button", name="Sign in").click()


def assert_accessible(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    serious = [problem for problem in found if problem["impact"] in {"serious", "critical"}]
    assert serious == [], [(problem["id"], problem["nodes"][0]["html"][:200]) for problem in serious]


def assert_fits(page: Page) -> None:
    """Nothing makes the page scroll sideways."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.fixture
def signed_in(page: Page, stack: RunningStack) -> Page:
    page.goto("/login/")
    sign_in(page, stack)
    expect(page).not_to_have_url(re.compile("/login/"))
    return page


def test_signing_in_leads_back_to_where_one_wanted_to_go(page: Page, stack: RunningStack) -> None:
    page.goto("/history/?status=sent")
    expect(page).to_have_url(re.compile(r"/login/\?next="))
    assert_accessible(page)
    sign_in(page, stack)
    expect(page).to_have_url(re.compile(r"/history/\?status=sent"))


def test_filter_open_and_read_a_message(signed_in: Page, sent: dict[str, str]) -> None:
    page = signed_in
    page.goto("/history/")
    assert_accessible(page)
    assert_fits(page)
    page.get_by_label("Name, reference or address").fill(sent["client"])
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile(f"q={sent['client']}"))
    rows = page.locator("article.history-row")
    expect(rows).to_have_count(1)
    page.get_by_text("Whole message").first.click()
    expect(page.locator("main")).to_contain_text("We chose e-mail")
    expect(page.frame_locator("main iframe").locator("body")).to_contain_text("Hello Priya")
    rows.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Priya")
    expect(page.locator("main")).to_contain_text("e-mail")
    assert_accessible(page)
    assert_fits(page)
    assert page.evaluate("window.taken") is None


def test_cancelling_asks_once_and_sending_after_all_makes_a_new_one(
    signed_in: Page, stack: RunningStack
) -> None:
    unique = uuid4().hex[:8]
    answer = stack.request(
        {
            "plan_id": f"tasting-plan-{unique}",
            "client_id": f"tasting-client-{unique}",
            "message_type": "custom",
            "context": {
                "client_name": "Priya",
                "client_email": f"priya.{unique}@example.com",
                "subject": "Tasting",
                "message": "Shall we meet?",
            },
            "send_at": (datetime.now(UTC) + timedelta(days=2)).isoformat(),
        }
    )
    page = signed_in
    page.goto(f"/communications/{answer['communication_id']}/")
    consequence = page.get_by_text("It will not be sent.")
    expect(consequence).to_be_hidden()
    page.get_by_text("Cancel it").click()
    expect(consequence).to_be_visible()
    assert_accessible(page)
    assert_fits(page)
    page.get_by_role("button", name="Do not send it").click()
    expect(page.locator("#notices")).to_contain_text("Cancelled.")
    expect(page.locator("main")).to_contain_text("cancelled it at")
    page.get_by_text("Send after all").click()
    page.get_by_role("button", name="Send it after all").click()
    expect(page.locator("#notices")).to_contain_text("This is the new message.")
    expect(page).not_to_have_url(re.compile(answer["communication_id"]))
    expect(page.get_by_role("link", name="an earlier message")).to_be_visible()
    assert_accessible(page)
    assert_fits(page)


def test_an_address_is_shown_on_request_and_noted(
    signed_in: Page, sent: dict[str, str], stack: RunningStack
) -> None:
    page = signed_in
    page.goto(f"/clients/?q={sent['client']}")
    assert_accessible(page)
    page.get_by_role("link", name=re.compile(sent["name"])).first.click()
    expect(page.locator("#contact")).to_contain_text("p•••@example.com")
    assert sent["address"] not in page.content()
    assert_accessible(page)
    assert_fits(page)
    page.get_by_role("button", name="Reveal").first.click()
    expect(page.locator("#contact output")).to_have_text(sent["address"])
    with stack.database() as sql:
        count = sql.execute(
            "SELECT count(*) FROM crm_audit_log WHERE action LIKE 'contact%reveal%'"
        ).fetchone()
    assert count is not None
    assert count[0] >= 1


def test_the_search_field_runs_commands_by_keyboard(signed_in: Page, sent: dict[str, str]) -> None:
    page = signed_in
    field, found = (
        page.get_by_role("combobox", name="Find a client"),
        page.get_by_role("listbox", name="Found"),
    )
    page.wait_for_load_state()  # the key is the script's
    page.keyboard.press("Control+k")
    expect(field).to_be_focused()
    expect(found.get_by_role("option")).to_have_count(len(COMMANDS))
    expect(field).to_have_attribute("aria-expanded", "true")
    assert_accessible(page)
    assert_fits(page)
    page.keyboard.press("Escape")
    expect(found).to_be_hidden()
    expect(field).to_be_focused()
    field.fill("fail")
    expect(found.get_by_role("option").first).to_have_text("Messages that failed")
    page.keyboard.press("ArrowDown")
    chosen = found.get_by_role("option", selected=True)
    expect(chosen).to_have_text("Messages that failed")
    expect(field).to_have_attribute("aria-activedescendant", chosen.get_attribute("id") or "none")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/history/\?status=failed$"))


def test_it_finds_clients_and_without_a_choice_it_searches(signed_in: Page, sent: dict[str, str]) -> None:
    page = signed_in
    field, found = (
        page.get_by_role("combobox", name="Find a client"),
        page.get_by_role("listbox", name="Found"),
    )
    page.keyboard.press("Meta+k")
    field.press_sequentially(sent["name"])
    expect(found.get_by_role("option").first).to_contain_text(sent["name"])
    expect(found.get_by_role("option").last).to_contain_text(f"“{sent['name']}”")
    # Up from the field comes to the last.
    page.keyboard.press("ArrowUp")
    expect(found.get_by_role("option", selected=True)).to_have_text(re.compile("Messages with"))
    found.get_by_role("option").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(sent["name"])
    assert page.evaluate("window.taken") is None
    page.get_by_role("combobox", name="Find a client").fill(sent["client"])
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"/clients/\?q={sent['client']}"))


def test_signing_out_is_a_command_too(signed_in: Page) -> None:
    page = signed_in
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Find a client").fill("sign out")
    option = page.get_by_role("option", name="Sign out", exact=True)
    expect(page.get_by_role("option").first).to_have_text("Sign out")
    option.click()
    expect(page).to_have_url(re.compile("/login/"))


def test_what_goes_out_next_opens_its_list_and_stays_still(signed_in: Page, stack: RunningStack) -> None:
    page = signed_in
    unique = uuid4().hex[:8]
    stack.request(
        {
            "plan_id": f"next-plan-{unique}",
            "client_id": f"next-client-{unique}",
            "message_type": "welcome",
            "urgency": "normal",
            "send_at": (datetime.now(UTC) + timedelta(hours=30)).isoformat(),
            "context": {
                "client_name": f"Nora {unique}",
                "client_email": f"nora.{unique}@example.com",
                "event_type": "wedding",
                "event_date": "2035-12-15",
            },
            "client": {"timezone": "Europe/Rome"},
        }
    )
    page.goto("/history/")
    link = page.locator("#next-up-link")
    expect(link).to_contain_text("Next: ")
    count = int(link.locator(".number").inner_text().replace(",", ""))
    link.focus()
    before = page.locator("#next-up").bounding_box()
    with page.expect_response(re.compile("/next/")):
        page.evaluate("htmx.ajax('GET', '/next/', {target: '#next-up', swap: 'outerHTML'})")
    expect(link).to_be_focused()
    assert page.locator("#next-up").bounding_box() == before
    link.click()
    expect(page.locator("article.history-row")).to_have_count(count)
    assert_accessible(page)
    assert_fits(page)


def test_marking_done_can_be_undone(signed_in: Page, stack: RunningStack) -> None:
    page = signed_in
    with stack.database() as sql:
        sql.execute(
            "INSERT INTO crm_attention_items (id, kind, dedupe_key, target, details, occurrences,"
            " first_seen_at, last_seen_at, resolved_by)"
            " VALUES (gen_random_uuid(), 'in_doubt', %s, 'thing:1', '{}', 1, now(), now(), '')",
            [uuid4().hex],
        )
    page.goto("/")
    heading = page.get_by_role("heading", level=1).inner_text()
    page.get_by_role("button", name=re.compile("Mark done")).first.click()
    notice = page.get_by_role("status").filter(has_text="Marked done.")
    expect(notice).to_be_visible()
    assert_accessible(page)
    assert_fits(page)
    notice.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)


def test_a_session_that_ended_leads_to_the_sign_in_and_not_into_a_row(
    browser: Browser, stack: RunningStack, sent: dict[str, str]
) -> None:
    context = browser.new_context(viewport=WIDE, base_url=stack.facts["url"])
    page = context.new_page()
    page.goto(f"/login/?next=/history/%3Fq%3D{sent['client']}")
    sign_in(page, stack)
    expect(page.locator("article.history-row")).to_have_count(1)
    context.clear_cookies()
    page.get_by_text("Whole message").first.click()
    expect(page).to_have_url(re.compile(r"/login/\?next=/history/"))
    sign_in(page, stack)
    expect(page).to_have_url(re.compile(rf"/history/\?q={sent['client']}"))
    context.close()


@pytest.mark.parametrize(
    "path", ["/", "/?show=resolved", "/history/", "/history/?status=scheduled", "/clients/", "/providers/"]
)
def test_every_page_is_accessible_in_the_dark(
    browser: Browser, stack: RunningStack, sent: dict[str, str], path: str
) -> None:
    context = browser.new_context(viewport=WIDE, base_url=stack.facts["url"], color_scheme="dark")
    page = context.new_page()
    page.goto(f"/login/?next={path}")
    sign_in(page, stack)
    assert_accessible(page)
    context.close()


@pytest.fixture
def plain(browser: Browser, stack: RunningStack) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=WIDE, base_url=stack.facts["url"], java_script_enabled=False)
    yield context
    context.close()


def test_everything_works_without_javascript(
    plain: BrowserContext, stack: RunningStack, sent: dict[str, str]
) -> None:
    page = plain.new_page()
    page.goto(f"/login/?next=/history/%3Fq%3D{sent['client']}")
    sign_in(page, stack)
    page.locator("article.history-row").get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Priya")
    page.goto(f"/clients/?q={sent['client']}")
    page.get_by_role("link", name=re.compile(sent["name"])).first.click()
    page.get_by_role("button", name="Reveal").first.click()
    expect(page.locator("output.revealed")).to_have_text(sent["address"])
