"""The ledger, suppression, and what both allow, on a real database (PRF-3, SEC-5)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from clients.choices import ContactKind
from clients.models import Client, ContactPoint
from clients.services.register import ContactDetails
from clients.tests.factories import a_client
from core.choices import Channel, Purpose
from core.errors import Conflict
from core.models import AuditEntry
from core.models.outbox import OutboxEvent
from core.sealing import load_keys, unseal
from preferences.choices import ConsentSource, ConsentState, ReleaseReason, SuppressionReason
from preferences.models import ConsentEntry, Suppression
from preferences.rules import wordings
from preferences.selectors.consent import allowed_channels, consents, current_points
from preferences.services.consent import NewStatement, record_statements
from preferences.services.suppression import Address, clients_at, release, suppress

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
EMAIL, SMS, WHATSAPP = Channel.EMAIL, Channel.SMS, Channel.WHATSAPP
OUT, IN = ConsentState.OPTED_OUT, ConsentState.GRANTED


def somebody(reference: str = "client-1", email: str = "priya@example.com") -> Client:
    contact = ContactDetails(name="Priya", email=email, phone="+919812345678")
    return a_client(reference, contact, now=NOW)


def say(
    client: Client,
    channel: Channel,
    state: ConsentState,
    source: ConsentSource = ConsentSource.PAGE,
    *,
    at: datetime = NOW,
    **more: Any,
) -> list[NewStatement]:
    said = NewStatement(client.id, channel, state, source, wordings.UNSUBSCRIBE, at, **more)
    return record_statements(statements=[said], actor="client:page", now=at)


def allowed(client: Client) -> set[Channel]:
    return set(allowed_channels([client.id])[client.id])


def gate(client: Client) -> int:
    return Client.objects.get(id=client.id).gate_version


def test_contact_data_opens_email_and_sms_and_nothing_else() -> None:
    assert allowed(somebody()) == {EMAIL, SMS}


def test_contact_data_opens_whatsapp_where_the_installation_says_so(settings: Any) -> None:
    settings.CRM_WHATSAPP_OPT_IN = "contact_data"
    assert allowed(somebody()) == {EMAIL, SMS, WHATSAPP}


def test_an_opt_out_is_kept_with_everything_that_proves_it() -> None:
    client, before = somebody(), datetime.now(UTC)
    version = gate(client)
    assert say(client, EMAIL, OUT, at=NOW, ip="203.0.113.7")
    assert allowed(client) == {SMS}
    entries = list(ConsentEntry.objects.order_by("purpose"))
    assert [entry.purpose for entry in entries] == [Purpose.MARKETING, Purpose.SERVICE]
    entry = entries[1]
    point = ContactPoint.objects.get(kind=ContactKind.EMAIL)
    assert (entry.contact_point_id, entry.source, entry.actor) == (point.id, "page", "client:page")
    assert (entry.occurred_at, entry.wording) == (NOW, wordings.UNSUBSCRIBE)
    key = load_keys([client.data_key_id])[client.data_key_id]
    assert unseal(ConsentEntry, "ip", entry.ip, key) == "203.0.113.7"
    assert gate(client) == version + 1
    assert OutboxEvent.objects.filter(topic="client.opted_out").get().data == {
        "channel": "email",
        "source": "page",
    }
    assert AuditEntry.objects.filter(action="consent.opted_out").count() == 1
    assert before <= datetime.now(UTC)


def test_saying_it_twice_adds_nothing() -> None:
    client = somebody()
    say(client, EMAIL, OUT)
    version = gate(client)
    assert say(client, EMAIL, OUT, at=LATER) == []
    assert (ConsentEntry.objects.count(), Suppression.objects.count(), gate(client)) == (2, 1, version)


def test_opting_in_again_opens_the_channel_and_releases_the_address() -> None:
    client = somebody()
    say(client, EMAIL, OUT)
    assert say(client, EMAIL, IN, at=LATER)
    assert allowed(client) == {EMAIL, SMS}
    released = Suppression.objects.get()
    assert (released.released_at, released.release_reason) == (LATER, ReleaseReason.OPTED_IN_AGAIN)


def test_a_grant_opens_whatsapp_for_its_number_and_not_for_the_next() -> None:
    client = somebody()
    assert say(client, WHATSAPP, IN)
    assert allowed(client) == {EMAIL, SMS, WHATSAPP}
    a_client("client-1", ContactDetails(phone="+919812345679"), now=LATER)
    assert allowed(client) == {EMAIL, SMS}


def test_an_opt_out_follows_the_client_to_a_new_number() -> None:
    client = somebody()
    say(client, SMS, OUT, ConsentSource.KEYWORD)
    a_client("client-1", ContactDetails(phone="+919812345679"), now=LATER)
    assert allowed(client) == {EMAIL}


def test_an_opt_out_of_a_shared_address_holds_for_all_who_have_it() -> None:
    wife, husband, other = somebody("a"), somebody("b"), somebody("c", "other@example.com")
    version = gate(husband)
    say(wife, EMAIL, OUT)
    consent = consents([husband.id], current_points([husband.id]))[husband.id]
    assert (EMAIL in consent.allowed, EMAIL in consent.suppressed) == (False, True)
    assert gate(husband) == version + 1
    assert allowed(other) == {EMAIL, SMS}
    assert allowed(somebody("d")) == {SMS}, "also for a client who comes later"


def test_the_planners_opt_out_is_about_its_client_alone() -> None:
    wife, husband = somebody("a"), somebody("b")
    say(wife, EMAIL, OUT, ConsentSource.PLANNER)
    assert (allowed(wife), allowed(husband)) == ({SMS}, {EMAIL, SMS})
    say(wife, EMAIL, OUT, ConsentSource.PAGE, at=LATER)
    assert allowed(husband) == {SMS}


def test_an_opt_out_that_happened_before_a_later_grant_changes_nothing() -> None:
    client = somebody()
    say(client, EMAIL, OUT, at=NOW)
    say(client, EMAIL, IN, at=LATER)
    say(client, EMAIL, OUT, ConsentSource.PROVIDER, at=NOW + timedelta(minutes=5))
    assert allowed(client) == {EMAIL, SMS}
    assert not Suppression.objects.filter(released_at__isnull=True).exists()


def test_marketing_is_closed_until_granted_and_opens_nothing_else() -> None:
    client = somebody()
    assert say(client, WHATSAPP, IN, purpose=Purpose.MARKETING)
    assert allowed(client) == {EMAIL, SMS}


@pytest.fixture
def suppressed() -> Iterator[Suppression]:
    client = somebody()
    point = ContactPoint.objects.get(client=client, kind=ContactKind.EMAIL)
    address = Address(EMAIL, point.address_index, point.address, NOW, SuppressionReason.COMPLAINT)
    (made,) = suppress([address, address], actor="staff:1", now=NOW)
    return Suppression.objects.get(id=made)


def test_opting_in_does_not_release_what_is_suppressed_for_another_reason(suppressed: Suppression) -> None:
    client = Client.objects.get()
    say(client, EMAIL, IN, at=LATER)
    assert allowed(client) == {SMS}


def test_releasing_takes_a_reason_and_works_once(suppressed: Suppression) -> None:
    client = Client.objects.get()
    version = gate(client)
    release(suppression_id=suppressed.id, reason=ReleaseReason.CLIENT_ASKED, actor="staff:1", now=LATER)
    assert (allowed(client), gate(client)) == ({EMAIL, SMS}, version + 1)
    with pytest.raises(Conflict, match="already"):
        release(suppression_id=suppressed.id, reason=ReleaseReason.CLIENT_ASKED, actor="staff:1", now=LATER)
    assert AuditEntry.objects.filter(action="suppression.released").get().details == {
        "reason": "client_asked"
    }


def test_an_address_is_stored_as_ciphertext_and_found_by_its_hash(suppressed: Suppression) -> None:
    assert Suppression.objects.get().address == "priya@example.com"
    assert clients_at([suppressed.address_index]) == {Client.objects.get().id}
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT address FROM crm_suppressions")
        assert "priya" not in cursor.fetchone()[0]


@pytest.mark.parametrize(
    "change", ["UPDATE crm_consent_entries SET state = 'granted'", "DELETE FROM crm_consent_entries"]
)
def test_the_ledger_is_append_only(change: str) -> None:
    say(somebody(), EMAIL, OUT)
    from django.db import connection

    with (
        pytest.raises(IntegrityError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(change)


def test_a_batch_is_answered_in_one_query(django_assert_num_queries: Any) -> None:
    """PERF-1, PERF-3"""
    clients = [somebody(f"client-{number}", f"p{number}@example.com") for number in range(20)]
    for client in clients[:5]:
        say(client, EMAIL, OUT)
    ids = [client.id for client in clients]
    points = current_points(ids)
    with django_assert_num_queries(1):
        found = allowed_channels(ids, points)
    assert sum(EMAIL in channels for channels in found.values()) == 15
