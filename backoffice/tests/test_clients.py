"""The list of clients and the page of one."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backoffice.tests.browsers import staff_in, text_of
from clients.models import Client, ContactPoint
from communications.choices import MessageType, Status, Urgency
from communications.models import Communication
from communications.services.commands import ClientData
from communications.tests.factories import a_communication, lead_to
from core import clock
from core.models import AuditEntry
from preferences.models import ClientPreferences

pytestmark = pytest.mark.django_db

# No row has it; always the same, so that test processes agree on the names of tests.
NOBODY = "9b63a443-2547-4099-a50b-5f986b4d94a4"


@pytest.fixture
def row(ready):
    return a_communication(context={"client_email": "priya@clients.example", "client_phone": "+919812345678"})


class TestTheList:
    def test_a_line_tells_who_and_what_was_last(self, row):
        lead_to(row, Status.FAILED)
        shown = text_of(staff_in("agent").get("/clients/"))
        for part in (
            "Priya Sharma",
            row.client.reference,
            row.plan.reference,
            "p•••@clients.example",
            "failed",
        ):
            assert part in shown
        assert "priya@clients.example" not in shown

    def test_a_whole_address_finds_its_client(self, row):
        a_communication()
        page = staff_in("agent").get("/clients/", {"q": "priya@clients.example"})
        assert [entry.row.id for entry, _ in page.context["lines"]] == [row.client_id]

    def test_nobody_found_says_how_to_look(self, ready):
        assert "found only when written out in full" in text_of(staff_in("agent").get("/clients/?q=zz"))
        assert "No clients yet" in text_of(staff_in("agent").get("/clients/"))

    @pytest.mark.parametrize(
        "query",
        [
            "cursor=x",
            f"cursor={NOBODY}",
            "order=size",
            "q=%00",
            "q=" + "x" * 400,
            "cursor[]=1&cursor=%ff",
        ],
    )
    def test_nonsense_in_the_address_is_told_and_left_out(self, row, query):
        page = staff_in("agent").get(f"/clients/?{query}")
        assert page.status_code == 200
        assert "could not be read, so it was left out" in text_of(page)
        assert len(page.context["lines"]) == 1

    def test_pages_keep_the_search_and_the_order(self, ready):
        now = clock.now()
        for number in range(27):
            a_communication(context={"client_name": f"Asha {number:02}"}, now=now - timedelta(hours=number))
        page = staff_in("agent").get("/clients/?q=asha&order=name")
        names = [entry.row.name for entry, _ in page.context["lines"]]
        assert names == [f"Asha {number:02}" for number in range(25)]
        cursor = page.context["page"].next_cursor
        assert f"?q=asha&amp;order=name&amp;cursor={cursor}" in page.content.decode()
        rest = staff_in("agent").get(f"/clients/?q=asha&order=name&cursor={cursor}")
        assert [entry.row.name for entry, _ in rest.context["lines"]] == ["Asha 25", "Asha 26"]
        assert "27 clients" in text_of(rest)

    def test_more_clients_cost_no_more_queries(self, ready):
        browser = staff_in("agent")

        def queries():
            with CaptureQueriesContext(connection) as captured:
                assert browser.get("/clients/").status_code == 200
            return len(captured)

        a_communication()
        few = queries()
        for _ in range(5):
            a_communication()
        assert queries() == few <= 14


class TestOneClient:
    def test_it_tells_what_was_said_and_what_is_next(self, row):
        lead_to(row, Status.OPENED)
        now = clock.now()
        a_communication(
            now=now,
            client_reference=row.client.reference,
            plan_reference=row.plan.reference,
            message_type=MessageType.BUDGET_SUMMARY,
            urgency=Urgency.NORMAL,
            send_at=now + timedelta(days=2),
        )
        page = staff_in("agent").get(f"/clients/{row.client_id}/")
        shown = text_of(page)
        for part in (
            "Priya Sharma",
            "Welcome",
            "opened",
            "your wedding plan",
            "Budget options by e-mail",
            "Kolkata",
        ):
            assert part in shown
        assert [line.label for line in page.context["planned"]] == ["Budget options"]
        assert f"/communications/{row.id}/" in page.content.decode()
        assert "Wedding on 15 December 2035" in shown

    def test_preferences_in_one_line_each(self, row):
        ClientPreferences.objects.filter(client=row.client).update(
            preferred_channels=["sms", "email"],
            quiet_hours_start="21:00",
            quiet_hours_end="09:30",
            pause_until=clock.now() + timedelta(days=30),
        )
        shown = text_of(staff_in("agent").get(f"/clients/{row.client_id}/"))
        for part in (
            "SMS, then e-mail.",
            "E-mail and SMS.",
            "21:00–09:30 their time.",
            "Kolkata, where it is",
            "Until ",
        ):
            assert part in shown

    def test_nothing_set_is_told_too(self, ready):
        row = a_communication(client=ClientData())
        ClientPreferences.objects.all().delete()
        shown = text_of(staff_in("agent").get(f"/clients/{row.client_id}/"))
        for part in (
            "Not chosen: each message takes its usual channel.",
            "Not known: UTC stands in.",
            "None set.",
        ):
            assert part in shown

    def test_an_address_to_which_nothing_arrives_is_marked(self, row):
        ContactPoint.objects.filter(kind="email").update(undeliverable_at=clock.now())
        assert "Nothing arrives here since" in text_of(staff_in("agent").get(f"/clients/{row.client_id}/"))

    @pytest.mark.parametrize("path", [f"/clients/{NOBODY}/", "/clients/1/", "/clients/x%00y/"])
    def test_a_client_who_is_not_there(self, ready, path):
        page = staff_in("agent").get(path)
        assert page.status_code == 404
        assert "Nothing is here" in text_of(page)

    @pytest.mark.parametrize("cursor", ["x", "%00", "a:b:c", "x" * 600])
    def test_a_foreign_cursor_shows_the_start(self, row, cursor):
        page = staff_in("agent").get(f"/clients/{row.client_id}/?cursor={cursor}")
        assert page.status_code == 200
        assert "could not be read, so it was left out" in text_of(page)
        assert len(page.context["page"].lines) == 1

    def test_an_analyst_reads_no_contents_and_no_addresses(self, row):
        page = staff_in("analyst").get(f"/clients/{row.client_id}/")
        assert "your wedding plan" not in text_of(page)
        assert "Reveal" not in text_of(page)

    def test_more_messages_cost_no_more_queries(self, ready):
        browser = staff_in("agent")
        first = a_communication()

        def queries():
            with CaptureQueriesContext(connection) as captured:
                assert browser.get(f"/clients/{first.client_id}/").status_code == 200
            return len(captured)

        few = queries()
        for number in range(5):
            a_communication(
                client_reference=first.client.reference,
                plan_reference=f"{first.plan.reference}-{number}",
                message_type=MessageType.BUDGET_SUMMARY,
            )
        assert Communication.objects.filter(client=first.client_id).count() == 6
        assert queries() == few <= 20


class TestReveal:
    def post(self, row, browser, **form):
        return browser.post(f"/clients/{row.client_id}/reveal/", form)

    def test_it_is_shown_in_the_answer_once(self, row):
        browser = staff_in("agent")
        answer = self.post(row, browser, kind="phone")
        assert answer.status_code == 200
        assert "no-store" in answer["Cache-Control"]
        assert "+919812345678" in text_of(answer)
        assert "priya@clients.example" not in text_of(answer)
        assert "+919812345678" not in text_of(browser.get(f"/clients/{row.client_id}/"))
        entry = AuditEntry.objects.get(action="contact_point.revealed")
        assert (entry.actor, entry.details) == (f"staff:{browser.user.pk}", {"kind": "phone"})

    def test_htmx_gets_the_card_alone(self, row):
        answer = staff_in("agent").post(
            f"/clients/{row.client_id}/reveal/", {"kind": "email"}, headers={"HX-Request": "true"}
        )
        body = answer.content.decode().strip()
        assert body.startswith('<section class="card" id="contact"')
        assert body.endswith("</section>")
        assert "priya@clients.example" in body

    def test_an_auditor_says_why(self, row):
        browser = staff_in("auditor")
        assert "Why you need to see it" in text_of(browser.get(f"/clients/{row.client_id}/"))
        refused = self.post(row, browser, kind="email")
        assert "Say why you need to see it." in text_of(refused)
        assert "priya@clients.example" not in text_of(refused)
        shown = self.post(row, browser, kind="email", reason="audit_sample")
        assert "priya@clients.example" in text_of(shown)
        assert AuditEntry.objects.get(action="contact_point.revealed").details["reason"] == "audit_sample"

    @pytest.mark.parametrize(
        "form",
        [{}, {"kind": "fax"}, {"kind": "email", "reason": "curious"}, {"kind": "\x00"}, {"kind": ["a", "b"]}],
    )
    def test_nonsense_shows_nothing(self, row, form):
        answer = self.post(row, staff_in("agent"), **form)
        assert answer.status_code == 200
        assert "priya@clients.example" not in text_of(answer)
        assert not AuditEntry.objects.filter(action="contact_point.revealed").exists()

    def test_who_is_not_there(self, row):
        path = f"/clients/{uuid.uuid4()}/reveal/"
        assert staff_in("agent").post(path, {"kind": "email"}).status_code == 404
        Client.objects.get(id=row.client_id).contact_points.filter(kind="phone").delete()
        assert self.post(row, staff_in("agent"), kind="phone").status_code == 404

    def test_it_needs_the_csrf_token(self, row):
        browser = staff_in("agent")
        browser.handler.enforce_csrf_checks = True
        answer = self.post(row, browser, kind="email")
        assert answer.status_code == 403
        assert "priya@clients.example" not in text_of(answer)
