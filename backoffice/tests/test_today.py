"""Today: what needs a person, what goes out next, what became of today's messages."""

import html
import re
import uuid
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from backoffice.rules.attention_words import has_words, words_for
from backoffice.selectors.attention import list_attention
from backoffice.selectors.outlook import Departure, going_out, next_departure, volume_since
from backoffice.tests.browsers import staff_in, text_of
from backoffice.web import today
from backoffice.web.next_up import hour_words
from communications.choices import AttentionKind, MessageType, Status, Urgency
from communications.models import Communication
from communications.services.commands import ClientData
from communications.tests.factories import a_communication, in_status
from core import attention, clock
from core.alert_kinds import alerting_kinds
from core.alerts import ALERTS_FAILING
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

    @pytest.mark.parametrize(
        ("kind", "label"),
        [("in_doubt", "Send again"), ("delivery_failed", "Try again"), ("not_sent", "Send after all")],
    )
    def test_it_leads_to_what_can_be_done(self, ready, kind, label):
        row = a_communication()
        an_item(1, kind, f"communication:{row.id}")
        page = staff_in("agent").get("/")
        assert f'href="/communications/{row.id}/#actions"' in page.content.decode()
        assert f"{label} : Welcome for Priya Sharma by e-mail" in text_of(page)
        assert "#actions" not in staff_in("auditor").get("/").content.decode()

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
        kinds = [*AttentionKind, ALERTS_FAILING, *alerting_kinds()]
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


class TestUndoing:
    def undo(self, item, browser):
        return browser.post(f"/attention/{item.id}/reopen/", follow=True)

    def test_the_notice_offers_it_and_it_is_audited(self):
        item = an_item()
        browser = staff_in("agent")
        page = browser.post(f"/attention/{item.id}/resolve/", follow=True)
        assert f'action="/attention/{item.id}/reopen/"' in page.content.decode()
        again = self.undo(item, browser)
        assert "It is open again." in text_of(again)
        assert "1 thing needs you" in text_of(again)
        assert f'action="/attention/{item.id}/reopen/"' not in again.content.decode()
        entry = AuditEntry.objects.get(action="attention.reopened")
        assert (entry.actor, entry.target) == (f"staff:{browser.user.pk}", f"attention:{item.id}")

    def test_so_does_the_list_of_what_was_done(self):
        item = an_item()
        attention.resolve(item_id=item.id, actor="staff:1", now=NOW)
        path = f'action="/attention/{item.id}/reopen/"'
        assert path in staff_in("agent").get("/?show=resolved").content.decode()
        assert path not in staff_in("analyst").get("/?show=resolved").content.decode()

    def test_what_settled_itself_is_not_undone(self):
        an_item()
        attention.settle(kind="in_doubt", dedupe_keys=["1"], now=NOW)
        page = staff_in("agent").get("/?show=resolved")
        assert "Settled itself on Sat 21 Nov" in text_of(page)
        assert "/reopen/" not in page.content.decode()

    def test_when_it_came_up_again_meanwhile(self):
        item = an_item()
        browser = staff_in("agent")
        browser.post(f"/attention/{item.id}/resolve/")
        an_item()
        assert "The same came up again since and is open as a new item." in text_of(self.undo(item, browser))
        item.refresh_from_db()
        assert item.resolved_at is not None
        assert not AuditEntry.objects.filter(action="attention.reopened").exists()

    def test_twice_and_nothing(self):
        item, browser = an_item(), staff_in("agent")
        assert "This item is open already." in text_of(self.undo(item, browser))
        assert browser.post(f"/attention/{NOBODY}/reopen/").status_code == 404
        assert browser.get(f"/attention/{item.id}/reopen/")["Location"] == "/"
        assert staff_in("auditor").post(f"/attention/{item.id}/reopen/").status_code == 403


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

    def test_three_queries(self, ready, django_assert_num_queries):
        self.plan(NOW + timedelta(hours=2), "Europe/Rome", 3)
        with django_assert_num_queries(3):
            going_out(now=NOW)

    def test_every_number_opens_the_list_behind_it(self, ready, monkeypatch, settings):
        settings.CRM_DEFAULT_TIMEZONE = "Europe/Rome"
        now = clock.now()
        hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
        self.plan(now - timedelta(hours=1), "Europe/Rome")
        self.plan(hour + timedelta(minutes=20), "Europe/Rome", 2)
        self.plan(hour + timedelta(minutes=45), None)  # counts as being in Rome
        self.plan(hour + timedelta(minutes=45), "Asia/Kolkata")
        self.plan(hour + timedelta(hours=3), "Asia/Kolkata", 2)
        self.plan(hour + timedelta(days=3), "Asia/Kolkata")
        monkeypatch.setattr(today, "_DEPARTURES", 2)
        browser = staff_in("agent")
        browser.cookies["crm_zone"] = (
            "America/New_York"  # the lists are the same wherever somebody looks from
        )
        section = browser.get("/").content.decode().partition('aria-labelledby="going-out"')[2]
        found = re.findall(
            r'<a href="(/history/[^"]+)">.*?<span class="number">(\d+)</span>',
            section.partition("</section>")[0],
            re.DOTALL,
        )
        assert [int(number) for _, number in found] == [1, 3, 1, 6, 1]
        for link, number in found:
            listed = browser.get(html.unescape(link))
            assert len(listed.context["lines"]) == int(number), link
            assert "Filters: " in text_of(listed)


class TestNextUp:
    """UI-1: what goes out next stands on every page of staff."""

    plan = TestGoingOut.plan

    def test_it_is_what_going_out_names_first_however_far_away(self, ready):
        assert next_departure(now=NOW) is None
        self.plan(NOW - timedelta(hours=1), "Asia/Kolkata")
        assert next_departure(now=NOW) is None
        self.plan(NOW + timedelta(days=9), "Europe/Rome")
        assert next_departure(now=NOW).at == NOW + timedelta(days=9)
        at = datetime(2026, 11, 21, 12, 50, tzinfo=UTC)
        self.plan(at, "Asia/Kathmandu")
        self.plan(at + timedelta(minutes=5), "Europe/Rome", 2)
        self.plan(at + timedelta(minutes=15), "Europe/Rome")
        first = next_departure(now=NOW)
        assert first == going_out(now=NOW).departures[0]
        assert (first.zone.key, first.count) == ("Europe/Rome", 2)

    def test_all_priorities_are_looked_at(self, ready):
        for hours, urgency in enumerate(Urgency, start=2):
            row = a_communication(now=NOW, urgency=urgency)
            Communication.objects.filter(id=row.id).update(due_at=NOW + timedelta(hours=hours))
        assert next_departure(now=NOW).due_from <= NOW + timedelta(hours=2)
        Communication.objects.filter(urgency=next(iter(Urgency))).update(due_at=NOW + timedelta(days=2))
        assert next_departure(now=NOW).due_before > NOW + timedelta(hours=3)

    def test_every_page_shows_it_and_it_opens_exactly_these(self, ready):
        now = clock.now()
        self.plan(now + timedelta(hours=1), "Europe/Rome", 2)
        self.plan(now + timedelta(hours=1), "Asia/Kolkata")
        self.plan(now + timedelta(days=1), "Europe/Rome")
        row = Communication.objects.first()
        browser = staff_in("analyst")
        expected = next_departure(now=now)
        for path in (
            "/",
            "/clients/",
            f"/clients/{row.client_id}/",
            "/history/",
            f"/communications/{row.id}/",
            "/next/",
        ):
            page = browser.get(path)
            assert f"· {expected.count} message" in text_of(page), path
            link = re.search(r'id="next-up-link" href="([^"]+)"', page.content.decode())[1]
            assert len(browser.get(html.unescape(link)).context["lines"]) == expected.count

    def test_it_asks_for_news_of_itself_and_comes_alone(self, ready):
        body = staff_in("agent").get("/next/", headers={"HX-Request": "true"}).content.decode()
        assert "Nothing waits to go out" in body
        assert body.strip().startswith('<p class="next-up"')
        assert 'hx-get="/next/" hx-trigger="every 30s"' in body

    def test_only_for_who_may_see_the_history(self, ready):
        user = User.objects.create_user("counter", is_staff=True)
        user.user_permissions.add(Permission.objects.get(codename="view_attentionitem"))
        browser = Browser()
        browser.force_login(user)
        page = browser.get("/")
        assert page.status_code == 200
        assert "next-up" not in page.content.decode()
        assert browser.get("/next/").status_code == 403

    def test_one_query_by_its_index(self, ready, django_assert_num_queries):
        for zone in ("Europe/Rome", "Asia/Kolkata", "Asia/Kathmandu"):
            self.plan(NOW + timedelta(hours=2), zone, 2)
        with django_assert_num_queries(1) as captured:
            next_departure(now=NOW)
        with connection.cursor() as sql:
            sql.execute("SET LOCAL enable_seqscan = off")
            sql.execute(f"EXPLAIN {captured[0]['sql']}")
            plan = "\n".join(line for (line,) in sql.fetchall())
        assert plan.count("queue_due_idx") >= 2
        assert "Seq Scan on crm_communications" not in plan

    @pytest.mark.parametrize(
        ("ahead", "words"),
        [
            (timedelta(hours=3), "17:00"),
            (timedelta(hours=12), "Sun 02:00"),
            (timedelta(days=6), "Fri 14:00"),
            (timedelta(days=9), "30 Nov, 14:00"),
            (timedelta(days=60), "20 Jan 2027, 14:00"),
        ],
    )
    def test_the_day_is_told_unless_it_is_today_there(self, ahead, words):
        at = NOW.replace(hour=8, minute=30) + ahead
        departure = Departure(at, at, at + timedelta(hours=1), ZoneInfo("Asia/Kolkata"), 1)
        assert hour_words(departure, now=NOW.replace(hour=8, minute=30)) == words


class TestVolume:
    def test_it_counts_by_status_and_each_number_opens_its_list(self, ready):
        in_status(Status.FAILED)
        in_status(Status.SENT)
        in_status(Status.SENT)
        page = staff_in("agent").get("/")
        assert page.context["volume"] == {Status.SENT: 2, Status.FAILED: 1}
        day = page.context["midnight"].date().isoformat()
        link = f"/history/?status=failed&amp;start_date={day}"
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
    assert queries() == few <= 16
