"""An address is shown in clear through one door, which audits it (SEC-1)."""

import uuid
from datetime import UTC, datetime

import pytest

from clients.choices import ContactKind, RevealReason
from clients.services.register import ContactDetails
from clients.services.reveal import reveal_contact
from clients.tests.factories import a_client
from core.errors import Invalid, NotFound
from core.models import AuditEntry

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture
def client():
    for email in ("old@clients.example", "priya@clients.example"):
        client = a_client("c-1", ContactDetails("Priya", email=email), now=NOW)
    return client


def reveal(client_id, **changes):
    values = {
        "kind": ContactKind.EMAIL,
        "reason": None,
        "reason_required": False,
        "actor": "staff:7",
    } | changes
    return reveal_contact(client_id=client_id, now=NOW, **values)


def entries():
    return list(AuditEntry.objects.filter(action="contact_point.revealed"))


def test_the_current_address_is_shown_and_audited(client):
    assert reveal(client.id) == "priya@clients.example"
    (entry,) = entries()
    assert (entry.actor, entry.target, entry.details) == ("staff:7", f"client:{client.id}", {"kind": "email"})


def test_a_reason_is_kept(client):
    reveal(client.id, reason=RevealReason.COMPLAINT, reason_required=True)
    assert entries()[0].details == {"kind": "email", "reason": "complaint"}


def test_without_the_reason_that_is_required_nothing_is_shown(client):
    with pytest.raises(Invalid):
        reveal(client.id, reason_required=True)
    assert entries() == []


@pytest.mark.parametrize("reason", RevealReason)
def test_every_reason_can_be_audited(client, reason):
    reveal(client.id, reason=reason)
    assert reason.label
    assert entries()[0].details["reason"] == reason


def test_what_is_not_there_is_not_audited(client):
    for client_id, kind in ((uuid.uuid4(), ContactKind.EMAIL), (client.id, ContactKind.PHONE)):
        with pytest.raises(NotFound):
            reveal(client_id, kind=kind)
    assert entries() == []
