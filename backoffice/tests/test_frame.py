"""What holds on every page: a strict policy, nothing inline, nothing executed, times, and friendly errors."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client as Browser
from django.utils import timezone

from backoffice.tests.browsers import staff_in, text_of
from communications.choices import Status
from communications.tests.factories import a_communication
from core import attention, clock
from core.choices import Channel

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"
ICONS = (settings.BASE_DIR / "static" / "icons.svg").read_text()
TEMPLATES = sorted(
    path
    for path in (settings.BASE_DIR / "templates").rglob("*.html")
    if path.relative_to(settings.BASE_DIR / "templates").parts[0] != "admin"
)
INLINE = re.compile(
    r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|hx-on|javascript:|\shx-vals=.js:", re.IGNORECASE
)


class _InlineFinder(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(tag)
        self.found += [name for name in names if name == "style" or name.startswith(("on", "hx-on"))]


def inline_parts(body):
    """What a browser would execute or apply that stands in the page itself."""
    finder = _InlineFinder()
    finder.feed(body)
    return finder.found


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_holds_script_or_style(path: Path):
    assert INLINE.findall(path.read_text()) == []


@pytest.mark.django_db
class TestEveryPage:
    @pytest.fixture
    def pages(self, ready):
        row = a_communication(context={"client_name": EVIL}, client_reference="evil-client")
        attention.raise_item(
            kind="in_doubt", dedupe_key="1", target=f"communication:{row.id}", details={}, now=clock.now()
        )
        return [
            "/",
            "/?show=resolved",
            "/clients/",
            f"/clients/?q={EVIL}",
            f"/clients/{row.client_id}/",
            "/history/",
            "/providers/",
            "/providers/pause/?scope=channel&value=email",
        ]

    def test_names_and_searches_are_shown_as_text(self, pages):
        browser = staff_in("administrator")
        for path in pages:
            body = browser.get(path).content.decode()
            assert "<script>alert" not in body, path
            assert "<img src=x" not in body, path
            assert inline_parts(body) == [], path
        assert "&lt;script&gt;alert(1)" in browser.get("/clients/").content.decode()

    def test_the_policy_is_strict_and_nothing_is_kept(self, pages):
        browser = staff_in("administrator")
        for path in [*pages, "/nope/"]:
            answer = browser.get(path)
            policy = answer["Content-Security-Policy"]
            assert "script-src 'self'" in policy
            assert "style-src 'self'" in policy
            assert "unsafe" not in policy
            assert "no-store" in answer["Cache-Control"], path
            assert answer["X-Frame-Options"] == "DENY"

    def test_every_form_and_every_link_works_without_script(self, pages):
        browser = staff_in("administrator")
        for path in pages:
            body = browser.get(path).content.decode()
            for form in re.findall(r"<form[^>]*>", body):
                assert "hx-" not in form or ('method="post"' in form and 'action="' in form), form
            assert 'href="#"' not in body
            assert '<button type="button"' not in body

    def test_there_is_one_heading_a_skip_link_and_a_place_in_the_menu(self, pages):
        browser = staff_in("administrator")
        for path in pages:
            body = browser.get(path).content.decode()
            assert len(re.findall(r"<h1", body)) == 1, path
            assert 'href="#content"' in body
            assert (
                len(
                    re.findall(r"aria-current=\"page\"[^>]*>\s*<svg|aria-current=\"true\"[^>]*>\s*<svg", body)
                )
                == 1
            ), path


@pytest.mark.django_db
class TestErrors:
    def test_what_is_not_there(self):
        answer = staff_in("agent").get("/nope/")
        assert answer.status_code == 404
        assert "Nothing is here" in text_of(answer)
        assert "/nope" not in text_of(answer)

    def test_what_is_not_ones_own(self):
        answer = staff_in("agent").get("/admin/auth/user/")
        assert answer.status_code == 403
        assert "This is not part of your role" in text_of(answer)

    def test_a_bug(self, settings):
        browser = staff_in("agent")
        with connection.cursor() as sql:
            sql.execute("ALTER TABLE crm_attention_items RENAME TO gone")
        answer = browser.get("/")
        assert answer.status_code == 500
        assert "Something went wrong on our side" in text_of(answer)
        assert "crm_attention_items" not in answer.content.decode()

    def test_a_host_that_is_not_ours(self):
        answer = Browser().get("/login/", headers={"Host": "evil.example"})
        assert answer.status_code == 400
        assert "could not be read" in text_of(answer)


@pytest.mark.django_db
class TestTimes:
    def shown(self, zone_cookie, path="/"):
        browser = staff_in("agent")
        if zone_cookie is not None:
            browser.cookies["crm_zone"] = zone_cookie
        return text_of(browser.get(path))

    def test_they_are_those_of_the_browser(self):
        assert "Your times are those of Kolkata." in self.shown("Asia/Kolkata")

    @pytest.mark.parametrize("cookie", [None, "", "Moon/Crater", "../../etc/passwd", "a" * 3000])
    def test_a_browser_that_does_not_say_gets_the_installations(self, cookie, settings):
        settings.CRM_DEFAULT_TIMEZONE = "Europe/Rome"
        assert "Your times are those of Rome." in self.shown(cookie)

    def test_the_api_answers_in_utc_whatever_the_browser_says(self, ready):
        row = a_communication()
        browser = staff_in("agent")
        browser.cookies["crm_zone"] = "Asia/Kolkata"
        assert browser.get(f"/api/crm/communications/{row.id}").json()["created_at"].endswith("Z")


class TestComponents:
    AT = datetime(2027, 5, 12, 3, 30, tzinfo=UTC)

    def time(self, viewer, zone=None):
        with timezone.override(ZoneInfo(viewer)):
            html = render_to_string("components/time.html", {"at": self.AT, "zone": zone})
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html)).strip()

    def test_a_time_is_the_clients_with_the_viewers_beside_it(self):
        assert self.time("Europe/Rome", "Asia/Kolkata") == "Wed 12 May 2027, 09:00 Kolkata (05:30 yours)"
        assert self.time("Asia/Kolkata", ZoneInfo("Asia/Kolkata")) == "Wed 12 May 2027, 09:00 Kolkata"
        assert (
            self.time("America/New_York", "Asia/Kolkata")
            == "Wed 12 May 2027, 09:00 Kolkata (Tue 23:30 yours)"
        )
        assert self.time("Europe/Rome") == "Wed 12 May 2027, 05:30"

    def test_this_year_goes_without_saying(self):
        this_year = timezone.now().replace(month=5, day=12, hour=9, minute=0)
        html = render_to_string("components/time.html", {"at": this_year})
        assert f"{this_year.year}," not in html

    @pytest.mark.parametrize("name", [*Status, *Channel])
    def test_every_status_and_channel_has_its_shape(self, name):
        assert f'id="{name}"' in ICONS

    @pytest.mark.parametrize("status", Status)
    def test_a_chip_has_a_word(self, status):
        chip = render_to_string("components/status_chip.html", {"status": status.value})
        assert f"chip--{status}" in chip
        assert status.replace("_", " ") in re.sub(r"<[^>]+>", "", chip)

    def test_every_icon_that_a_template_names_exists(self):
        used = {
            name
            for path in TEMPLATES
            for name in re.findall(r'icon\.html" with name="(\w+)"', path.read_text())
        }
        assert used
        assert {name for name in used if f'id="{name}"' not in ICONS} == set()
