"""Never against a client's will: consent at acceptance, while waiting, and with sends in flight (PRF-3, SEC-5)."""

import threading
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client as Browser
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from clients.models import Client, ContactPoint
from clients.services.gate import CLIENT_CHANGED
from communications.choices import Cause, MessageType, Status, Urgency
from communications.models import Communication
from communications.services.commands import ClientData
from communications.services.dispatch import dispatch_due
from communications.services.reconcile import reconcile
from communications.services.replan import ACTOR, replan_changed
from communications.services.rerouting import reroute
from communications.services.submit import submit
from communications.tests.factories import a_command, a_communication
from communications.tests.steps import claimed_and_checked, fence, lapse
from core import clock
from core.choices import Channel
from core.models import AttentionItem
from core.models.outbox import OutboxEvent
from core.tests.api.callers import service
from core.tests.races import Call
from preferences.choices import ConsentSource, ConsentState, SuppressionReason
from preferences.models import ClientPreferences, ConsentEntry
from preferences.rules import wordings
from preferences.selectors.consent import allowed_channels
from preferences.services.consent import NewStatement, record_statements
from preferences.services.suppression import Address, suppress
from sandbox.testing import Sandbox

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("templates")]

IN_FLIGHT = 24


@pytest.fixture(autouse=True)
def email_is_set_up(settings: Any) -> None:
    settings.SMTP_HOST = settings.SMTP_HOST or "localhost"


def say(
    client_id: Any, state: ConsentState = ConsentState.OPTED_OUT, channel: Channel = Channel.EMAIL
) -> None:
    said = NewStatement(client_id, channel, state, ConsentSource.PAGE, wordings.UNSUBSCRIBE, clock.now())
    record_statements(statements=[said], actor="client:page", now=clock.now())


class TestAccepting:
    def test_the_first_contact_writes_what_opened_the_channels(self) -> None:
        row = a_communication(client=ClientData(phone="+919812345678", timezone="Asia/Kolkata"))
        entries = ConsentEntry.objects.order_by("channel")
        assert [(each.channel, each.state, each.source, each.is_default) for each in entries] == [
            ("email", "granted", "planner", True),
            ("sms", "granted", "planner", True),
        ]
        assert {each.actor for each in entries} == {"service:test"}
        assert {each.wording for each in entries} == {wordings.CONTACT_DATA}
        points = {point.id for point in ContactPoint.objects.filter(client=row.client_id)}
        assert {each.contact_point_id for each in entries} == points

    def test_known_contact_data_writes_nothing_again(self) -> None:
        command = a_command()
        for dedup_key in ("one", "two"):
            submit(command=command, caller="service:test", now=clock.now())
            command = a_command(
                client_reference=command.client_reference,
                plan_reference=command.plan_reference,
                context=command.context,
                dedup_key=dedup_key,
            )
        assert ConsentEntry.objects.count() == 1

    def test_an_opt_out_closes_the_channel_and_says_so(self) -> None:
        command = a_command()
        row = Communication.objects.get(
            request_id=submit(command=command, caller="service:test", now=clock.now()).request_id
        )
        say(row.client_id)
        again = a_communication(
            client_reference=command.client_reference,
            plan_reference=command.plan_reference,
            context={**command.context, "subject": "News", "message": "Call us."},
            dedup_key="again",
            message_type=MessageType.CUSTOM,
        )
        assert again.status == Status.CANCELLED
        codes = [reason["code"] for reason in again.request.strategy["reasons"]]
        assert "no_consent" in codes

    @pytest.mark.parametrize(("opt_in", "opened"), [(True, True), (False, False), (None, False)])
    def test_the_planners_word_on_whatsapp(self, opt_in: bool | None, opened: bool) -> None:
        row = a_communication(client=ClientData(phone="+919812345678", whatsapp_opt_in=opt_in))
        assert (Channel.WHATSAPP in allowed_channels([row.client_id])[row.client_id]) is opened
        assert ConsentEntry.objects.filter(channel="whatsapp").count() == opened

    def test_no_takes_back_the_planners_own_yes_and_not_the_clients(self) -> None:
        def tell(opt_in: bool, number: int) -> set[Channel]:
            row = a_communication(
                client_reference="client-1",
                plan_reference="plan-1",
                message_type=MessageType.CUSTOM,
                dedup_key=f"key-{number}",
                context={"client_email": "priya@example.com", "subject": "News", "message": "Call us."},
                client=ClientData(phone="+919812345678", whatsapp_opt_in=opt_in),
            )
            return set(allowed_channels([row.client_id])[row.client_id])

        assert Channel.WHATSAPP in tell(True, 1)
        before = Client.objects.get().gate_version
        assert Channel.WHATSAPP in tell(True, 2), "said again"
        assert (
            ConsentEntry.objects.filter(channel="whatsapp").count(),
            Client.objects.get().gate_version,
        ) == (1, before)
        assert Channel.WHATSAPP not in tell(False, 3)
        assert Client.objects.get().gate_version == before + 1
        say(Client.objects.get().id, ConsentState.GRANTED, Channel.WHATSAPP)
        assert Channel.WHATSAPP in tell(False, 4)
        say(Client.objects.get().id, ConsentState.OPTED_OUT, Channel.WHATSAPP)
        assert Channel.WHATSAPP not in tell(True, 5)


class TestWaiting:
    def waiting(self, **changes: Any) -> Communication:
        return a_communication(urgency=Urgency.NORMAL, send_at=clock.now() + timedelta(days=1), **changes)

    def test_what_waits_is_cancelled_at_once_with_its_reason(self) -> None:
        row, other = self.waiting(), self.waiting()
        say(row.client_id)
        replan_changed(
            list(OutboxEvent.objects.filter(topic=CLIENT_CHANGED, subject=f"client:{row.client_id}"))
        )
        row.refresh_from_db()
        other.refresh_from_db()
        assert (row.status, other.status) == (Status.CANCELLED, Status.SCHEDULED)
        last = row.events.last()
        assert (last.cause, last.reason, last.actor) == (Cause.REFUSED_BY_CHECK, "no_consent", ACTOR)
        assert AttentionItem.objects.get(kind="not_sent").details == {"reason": "no_consent"}

    def test_it_goes_on_to_the_next_channel_that_is_open(self, settings: Any, monkeypatch: Any) -> None:
        from communications import gateway
        from communications.services import checking, fallbacks, strategy_facts

        both = frozenset({Channel.EMAIL, Channel.SMS})
        for module in (gateway, checking, fallbacks, strategy_facts):
            monkeypatch.setattr(module, "configured_channels", lambda: both)
        row = self.waiting(client=ClientData(phone="+919812345678", timezone="Asia/Kolkata"))
        assert row.channel == Channel.EMAIL
        say(row.client_id)
        assert reroute(client_ids=[row.client_id], actor=ACTOR, now=clock.now()) == 1
        row.refresh_from_db()
        assert (row.status, row.channel) == (Status.SCHEDULED, Channel.SMS)
        assert row.due_at >= row.request.send_at
        last = row.events.last()
        assert (last.cause, last.reason) == (Cause.NEXT_CHANNEL, "no_consent")
        assert reroute(client_ids=[row.client_id], actor=ACTOR, now=clock.now()) == 0

    def test_channels_that_the_client_did_not_choose_are_left(self) -> None:
        row = self.waiting()
        critical = a_communication(send_at=clock.now() + timedelta(days=1))
        for each in (row, critical):
            ClientPreferences.objects.filter(client=each.client_id).update(preferred_channels=["sms"])
        reroute(client_ids=[row.client_id, critical.client_id], actor=ACTOR, now=clock.now())
        row.refresh_from_db()
        critical.refresh_from_db()
        assert (row.status, row.events.last().reason) == (Status.CANCELLED, "not_chosen")
        assert critical.status == Status.SCHEDULED, "a critical message may use any open channel"


@pytest.mark.django_db(transaction=True)
class TestInFlight:
    def test_a_suppressed_address_is_not_written_to_whoever_has_it(self, smtp: Sandbox) -> None:
        row = a_communication()
        point = ContactPoint.objects.get(client=row.client_id)
        suppress(
            [Address(Channel.EMAIL, point.address_index, None, clock.now(), SuppressionReason.ERASED)],
            actor="staff:1",
            now=clock.now(),
        )
        newcomer = a_communication(context={"client_email": point.address})
        assert newcomer.status == Status.CANCELLED
        assert "suppressed" in [reason["code"] for reason in newcomer.request.strategy["reasons"]]
        dispatch_due()
        row.refresh_from_db()
        assert (row.status, smtp.messages()) == (Status.CANCELLED, [])
        assert row.events.last().reason == "suppressed"

    def test_an_opt_out_between_check_and_fence_stops_the_message(self, smtp: Sandbox) -> None:
        row = a_communication()
        claim, cleared = claimed_and_checked()
        say(row.client_id)
        assert fence(claim, cleared) == {}
        assert smtp.messages() == []

    def test_nothing_leaves_from_the_instant_of_the_opt_out(self, smtp: Sandbox) -> None:
        """Workers are sending to many clients who opt out one after the other: no mail's call begins after its opt-out
        was committed, and what was not sent is cancelled."""
        rows = [a_communication() for _ in range(IN_FLIGHT)]
        smtp.behave("delay", seconds=0.05)
        committed: dict[Any, Any] = {}
        started = threading.Event()

        def opt_out_all() -> None:
            started.set()
            for row in reversed(rows):
                say(row.client_id)
                committed[row.id] = clock.now()

        opting_out = Call(opt_out_all)
        started.wait(10)
        sending = [Call(dispatch_due) for _ in range(2)]
        opting_out.finish()
        for each in sending:
            each.finish()
        dispatch_due()
        for row in rows:
            row.refresh_from_db()
            assert row.status in {Status.SENT, Status.CANCELLED}
            for attempt in row.attempts.exclude(delivery_status="not_called"):
                assert attempt.started_at <= committed[row.id]
            if row.status == Status.CANCELLED:
                assert row.events.last().reason in {"no_consent"}
        sent = sum(row.status == Status.SENT for row in rows)
        assert len(smtp.messages()) == sent

    @pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data"])
    def test_one_click_in_a_mail_program_stops_what_comes_next(
        self, smtp: Sandbox, content_type: str
    ) -> None:
        """RFC 8058, with what really stood in the mail."""
        row = a_communication()
        dispatch_due()
        mail = smtp.messages()[0].parsed()
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        path = mail["List-Unsubscribe"].strip("<>").removeprefix(settings.CRM_PUBLIC_URL)
        fields = {"List-Unsubscribe": "One-Click"}
        body = urlencode(fields) if "urlencoded" in content_type else encode_multipart(BOUNDARY, fields)
        kind = content_type if "urlencoded" in content_type else MULTIPART_CONTENT
        answer = Browser(enforce_csrf_checks=True).generic("POST", path, body, content_type=kind)
        assert (answer.status_code, answer.cookies) == (200, {})
        waits = a_communication(
            client_reference=row.client.reference, plan_reference=row.plan.reference, dedup_key="next",
            message_type=MessageType.CUSTOM, context={"subject": "News", "message": "Call us."},
        )  # fmt: skip
        assert waits.status == Status.CANCELLED
        assert (dispatch_due(), len(smtp.messages())) == (0, 1)

    def test_opting_in_again_while_it_is_claimed_lets_it_go(self, smtp: Sandbox) -> None:
        row = a_communication()
        claimed_and_checked()
        say(row.client_id)
        say(row.client_id, ConsentState.GRANTED)
        lapse(row)
        reconcile(actor="worker:b", now=clock.now())
        dispatch_due()
        row.refresh_from_db()
        assert (row.status, len(smtp.messages())) == (Status.SENT, 1)

    def test_who_allowed_a_message_when_and_with_which_words(self, smtp: Sandbox) -> None:
        context = {"client_email": "priya@example.com", "subject": "News", "message": "Call us."}
        row = a_communication(context=context)
        assert service().get(f"/api/crm/communications/{row.id}").json()["consent"] is None
        dispatch_due()
        say(row.client_id)
        found = service().get(f"/api/crm/communications/{row.id}").json()["consent"]
        entry = ConsentEntry.objects.get(is_default=True)
        assert found == {
            "channel": "email",
            "source": "planner",
            "actor": "service:test",
            "occurred_at": found["occurred_at"],
            "wording": wordings.CONTACT_DATA,
            "words": wordings.WORDINGS[wordings.CONTACT_DATA],
            "entry_id": entry.id,
        }
        say(row.client_id, ConsentState.GRANTED)
        again = a_communication(
            client_reference=row.client.reference, plan_reference=row.plan.reference, dedup_key="next",
            message_type=MessageType.CUSTOM, context=context,
        )  # fmt: skip
        dispatch_due()
        found = service().get(f"/api/crm/communications/{again.id}").json()["consent"]
        assert (found["source"], found["actor"]) == ("page", "client:page")
        assert found["words"] == wordings.WORDINGS[wordings.UNSUBSCRIBE]

    def test_mails_from_before_the_ledger_say_that_the_address_allowed_them(self, smtp: Sandbox) -> None:
        row = a_communication()
        dispatch_due()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE crm_consent_entries DISABLE TRIGGER USER")
            cursor.execute("DELETE FROM crm_consent_entries")
            cursor.execute("ALTER TABLE crm_consent_entries ENABLE TRIGGER crm_consent_entries_append_only")
        found = service().get(f"/api/crm/communications/{row.id}").json()["consent"]
        assert (found["source"], found["entry_id"]) == ("planner", None)
