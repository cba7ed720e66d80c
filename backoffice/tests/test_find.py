"""The search field that also runs commands: what it offers, from the outside (UI-1)."""

import html
import re

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from backoffice.rules.commands import COMMANDS, commands_for
from backoffice.tests.browsers import staff_in, text_of
from clients.models import Client
from communications.tests.factories import a_communication

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>"
EVERYTHING = {command.permission for command in COMMANDS}


def options(browser, text):
    """Label and address of each option, in their order."""
    body = browser.get("/find/", {"q": text}, headers={"HX-Request": "true"}).content.decode()
    found = re.findall(
        r'<(?:a|button) class="found__option" role="option"(.*?)>(.*?)</(?:a|button)>', body, re.DOTALL
    )
    return [
        (
            html.unescape(" ".join(re.sub(r"<[^>]+>", " ", label).split())),
            html.unescape((re.search(r'href="([^"]+)"', attributes) or ["", ""])[1]),
        )
        for attributes, label in found
    ]


class TestCommands:
    @pytest.mark.parametrize(
        ("text", "labels"),
        [
            ("fail", ["Messages that failed"]),
            (
                "HISTORY",
                ["History", "Messages that failed", "Messages in doubt", "Messages that wait for their time"],
            ),
            ("hist doubt", ["Messages in doubt"]),
            ("log", ["Sign out"]),
            ("admin", ["Records"]),
            ("pause", ["Providers"]),
            ("priya", []),
        ],
    )
    def test_every_typed_word_begins_one_of_theirs(self, text, labels):
        assert [command.label for command in commands_for(text, EVERYTHING)] == labels

    def test_nothing_typed_offers_all_that_the_role_may(self):
        assert commands_for(" ", EVERYTHING) == list(COMMANDS)
        assert [command.label for command in commands_for("", set())] == ["Records", "Sign out"]

    def test_each_leads_to_a_page(self, ready):
        browser = staff_in("administrator")
        for command in COMMANDS:
            if command.label != "Sign out":
                path = f"{reverse(command.page)}?{command.query}"
                assert browser.get(path).status_code == 200, command


class TestWhatIsOffered:
    def test_clients_and_the_lists_to_look_further_in(self, ready):
        row = a_communication()
        found = options(staff_in("agent"), "priya")
        assert found == [
            (f"Priya Sharma {row.client.reference}", f"/clients/{row.client_id}/"),
            ("All clients with “priya”", "/clients/?q=priya"),
            ("Messages with “priya”", "/history/?q=priya"),
        ]

    def test_a_whole_address_finds_its_client_and_shows_no_address(self, ready):
        row = a_communication(context={"client_email": "priya@clients.example"})
        a_communication()
        found = options(staff_in("agent"), "priya@clients.example")
        assert found[0] == (f"Priya Sharma {row.client.reference}", f"/clients/{row.client_id}/")
        assert len(found) == 3

    def test_signing_out_is_a_form_of_the_page(self, ready):
        browser = staff_in("agent")
        assert ("Sign out", "") in options(browser, "sign")
        body = browser.get("/find/?q=sign").content.decode()
        assert 'form="sign-out"' in body
        assert '<form method="post" id="sign-out" action="/logout/">' in browser.get("/").content.decode()

    def test_only_what_the_viewer_may_open(self, ready):
        a_communication()
        user = User.objects.create_user("counter", is_staff=True)
        user.user_permissions.add(Permission.objects.get(codename="view_attentionitem"))
        browser = Browser()
        browser.force_login(user)
        assert [label for label, _ in options(browser, "priya")] == []
        assert [label for label, _ in options(browser, "")] == [
            "Today",
            "What was done",
            "Records",
            "Sign out",
        ]

    @pytest.mark.parametrize(
        "text", ["", "p", "pr", "%", "\x00", "x" * 321, EVIL, "\u202e", "'", "🦄🦄🦄", " "]
    )
    def test_whatever_is_typed_is_only_text(self, ready, text):
        a_communication(context={"client_name": EVIL})
        answer = staff_in("agent").get("/find/", {"q": text})
        assert answer.status_code == 200
        assert "<script" not in answer.content.decode()
        if text == EVIL:
            assert EVIL in html.unescape(text_of(answer))

    def test_two_letters_ask_no_clients(self, ready):
        a_communication(client_reference="pr")
        Client.objects.update(name="pr")
        found = [url for _, url in options(staff_in("agent"), "pr")]
        assert found == ["/preferences/", "/clients/?q=pr", "/history/?q=pr"]

    def test_more_clients_cost_no_more_queries(self, ready):
        browser = staff_in("agent")

        def queries():
            with CaptureQueriesContext(connection) as captured:
                assert browser.get("/find/?q=priya").status_code == 200
            return len(captured)

        a_communication()
        few = queries()
        for _ in range(8):
            a_communication()
        assert queries() == few <= 8


def test_the_field_is_a_plain_search_without_scripts(ready):
    body = staff_in("agent").get("/").content.decode()
    form = re.search(r'<form class="search".*?</form>', body, re.DOTALL)[0]
    assert 'action="/clients/"' in form
    assert 'name="q"' in form
    assert "combobox" not in form
    assert re.search(r'id="found" role="listbox" aria-label="Found" hidden', form)
