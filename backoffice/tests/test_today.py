"""Today: what needs a person, what goes out next, what became of today's messages."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backoffice.rules.attention_words import has_words, words_for
from backoffice.selectors.attention import list_attention
from backoffice.selectors.outlook import going_out, volume_since
from backoffice.tests.browsers import staff_in, text_of
from communications.choices import AttentionKind, MessageType, Status, Urgency
from communications.models import Communication
from communications.services.commands import ClientData
from communications.tests.factories import a_communication, in_status
from core import attention, clock
from core.models import AttentionItem, AuditEntry

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)

# No row has it; always the same, so that test processes agree on the names of tests.
NOBODY = "9b63a443-2547-4099-a50b-5f986b4d94a4"


def an_item(number=1, kind="in_doubt", target=None, *, now=NOW, **details):
    return attention.raise_item(
        kind=kind, dedupe_key=str(number), target=target or f"thing:{number}", details=details, now=now
    )


class TestTheList:
    def test_it_says_what_is_the_matter_with_whom_and_since_when(self, ready):
        row = a_communication()
        an_item(1, "delivery_failed", f"communication:{row.id}", reason="recipient_refused", code="550 5.1.1")
        page = staff_in("agent").get("/")
        shown = text_of(page)
        assert "1 thing needs you" in shown
        assert "Could not be delivered" in shown
        assert "Welcome for Priya Sharma by e-mail" in shown
        assert f'href="/communications/{row.id}/"' in page.content.decode()
        assert "address or number cannot be delivered to. No channel is left." in shown
        assert "Since Sat 21 Nov" in shown
        assert "550 5.1.1" in shown

    def test_a_plan_leads_to_its_client(self, ready):
        row = a_communication()
        an_item(1, "request_refused", f"plan:{row.plan.reference}", codes=["missing"])
        page = staff_in("agent").get("/")
        assert f"Plan {row.plan.reference} of Priya Sharma" in text_of(page)
        assert f'href="/clients/{row.client_id}/"' in page.content.decode()

    @pytest.mark.parametrize(
        "target",
        [
            "communication:nonsense",
            f"communication:{NOBODY}",
            "plan:gone",
            "odd",
            "<b>:<i>x</i>",
        ],
    )
    def test_what_it_is_about_may_be_gone(self, ready, target):
        an_item(target=target)
        page = staff_in("agent").get("/")
        assert page.status_code == 200
        assert "Sent, outcome unknown" in text_of(page)
        assert "<i>x" not in page.content.decode()

    def test_every_kind_has_words(self):
        kinds = [*AttentionKind, "outbox_consumer_failing"]
        assert [kind for kind in kinds if not has_words(kind)] == []
        assert words_for("moon_is_full").title == "Moon is full"

    def test_nothing_open_says_what_will_appear(self):
        shown = text_of(staff_in("agent").get("/"))
        assert "Nothing needs you" in shown
        assert "appear here" in shown

    def test_it_pages_without_losing_or_repeating(self):
        for number in range(45):
            an_item(number, now=NOW + timedelta(minutes=number // 3))
        browser = staff_in("agent")
        seen, path = [], "/"
        while path:
            context = browser.get(path).context
            seen += [entry.item.id for entry in context["page"].entries]
            cursor = context["page"].next_cursor
            path = f"/?cursor={cursor}" if cursor else None
        assert len(seen) == len(set(seen)) == 45

    @pytest.mark.parametrize(
        "query",
        [
            "cursor=x",
            f"cursor={NOBODY}",
            "show=all",
            "cursor=%00",
            "cursor=%ff",
            "show=<script>",
        ],
    )
    def test_nonsense_in_the_address_is_told_and_left_out(self, query):
        an_item()
        page = staff_in("agent").get(f"/?{query}")
        assert page.status_code == 200
        assert "could not be read, so it was left out" in text_of(page)
        assert len(page.context["page"].entries) == 1
        assert "<script>" not in page.content.decode()

    def test_more_items_cost_no_more_queries(self, ready):
        def queries():
            with CaptureQueriesContext(connection) as captured:
                list_attention(resolved=False, limit=20)
            return len(captured)

        rows = [a_communication() for _ in range(4)]
        an_item(0, target=f"communication:{rows[0].id}")
        an_item(1, target=f"plan:{rows[0].plan.reference}")
        few = queries()
        for number, row in enumerate(rows[1:], start=2):
            an_item(number, target=f"communication:{row.id}")
            an_item(number + 10, target=f"plan:{row.plan.reference}")
        assert queries() == few <= 5


class TestResolving:
    def test_it_is_audited_and_moves_to_done(self):
        item = an_item()
        browser = staff_in("agent", first_name="Asha", last_name="Rao")
        shown = text_of(browser.post(f"/attention/{item.id}/resolve/", follow=True))
        assert "Marked done." in shown
        assert "Nothing needs you" in shown
        assert "Done by Asha Rao" in text_of(browser.get("/?show=resolved"))
        entry = AuditEntry.objects.get(action="attention.resolved")
        assert entry.actor == f"staff:{browser.user.pk}"

    def test_twice_is_told(self):
        item = an_item()
        browser = staff_in("agent")
        browser.post(f"/attention/{item.id}/resolve/")
        again = browser.post(f"/attention/{item.id}/resolve/", follow=True)
        assert "Somebody marked this done already." in text_of(again)
        assert AuditEntry.objects.filter(action="attention.resolved").count() == 1

    def test_an_item_that_is_not_there(self):
        answer = staff_in("agent").post(f"/attention/{uuid.uuid4()}/resolve/")
        assert answer.status_code == 404
        assert "Nothing is here" in text_of(answer)

    def test_who_may_only_look_sees_no_button(self):
        an_item()
        assert "Mark done" not in text_of(staff_in("analyst").get("/"))
        assert AttentionItem.objects.get().resolved_at is None


class TestGoingOut:
    def plan(self, due_at, zone, count=1):
        for _ in range(count):
            row = a_communication(now=NOW, urgency=Urgency.NORMAL, client=ClientData(timezone=zone))
            Communication.objects.filter(id=row.id).update(due_at=due_at)

    def test_hours_are_those_of_the_clients(self, ready):
        # 12:45 UTC is 18:15 in Kolkata, 18:30 in Kathmandu and 13:45 in Rome.
        at = datetime(2026, 11, 21, 12, 45, tzinfo=UTC)
        self.plan(at, "Asia/Kolkata", 2)
        self.plan(at + timedelta(minutes=30), "Asia/Kolkata")
        self.plan(at, "Asia/Kathmandu")
        self.plan(at, "Europe/Rome")
        outlook = going_out(now=NOW)
        assert [
            (f"{each.at.astimezone(each.zone):%H:%M}", each.zone.key, each.count)
            for each in outlook.departures
        ] == [
            ("13:00", "Europe/Rome", 1),
            ("18:00", "Asia/Kathmandu", 1),
            ("18:00", "Asia/Kolkata", 3),
        ]

    def test_what_is_late_and_what_comes_later_are_counted_apart(self, ready):
        self.plan(NOW - timedelta(hours=1), "Europe/Rome", 2)
        self.plan(NOW + timedelta(days=3), "Europe/Rome")
        outlook = going_out(now=NOW)
        assert (outlook.overdue, list(outlook.departures), outlook.later) == (2, [], 1)

    def test_a_zone_that_nobody_knows_counts_as_the_installations(self, ready, settings):
        self.plan(NOW + timedelta(hours=2), "Europe/Rome")
        with connection.cursor() as sql:
            sql.execute("UPDATE crm_client_preferences SET timezone = 'Moon/Crater'")
        assert going_out(now=NOW).departures[0].zone.key == settings.CRM_DEFAULT_TIMEZONE

    def test_two_queries(self, ready, django_assert_num_queries):
        self.plan(NOW + timedelta(hours=2), "Europe/Rome", 3)
        with django_assert_num_queries(2):
            going_out(now=NOW)


class TestVolume:
    def test_it_counts_by_status_and_each_number_opens_its_list(self, ready):
        in_status(Status.FAILED)
        in_status(Status.SENT)
        in_status(Status.SENT)
        page = staff_in("agent").get("/")
        assert page.context["volume"] == {Status.SENT: 2, Status.FAILED: 1}
        day = page.context["midnight"].date().isoformat()
        link = f"/history/?status=failed&amp;since={day}"
        assert link in page.content.decode()
        listed = staff_in("agent").get(link.replace("&amp;", "&"))
        assert len(listed.context["lines"]) == 1

    def test_yesterday_does_not_count(self, ready, django_assert_num_queries):
        a_communication(message_type=MessageType.WELCOME)
        later = clock.now() + timedelta(hours=1)
        with django_assert_num_queries(1):
            assert volume_since(later) == {}


def test_the_page_costs_the_same_however_much_there_is(ready):
    browser = staff_in("agent")

    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert browser.get("/").status_code == 200
        return len(captured)

    an_item(0, target=f"communication:{a_communication().id}")
    few = queries()
    for number in range(1, 6):
        an_item(number, target=f"communication:{a_communication().id}")
    assert queries() == few <= 14
