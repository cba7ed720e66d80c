from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from core import audit
from core.models import AuditEntry

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
TARGET = "client:0b6f0f0e-7a58-4a4e-9a51-1f0f7c9f2a11"


def entry(**changes) -> AuditEntry:
    given = {"actor": "staff:7", "action": "client.created", "target": TARGET, "now": NOW}
    return audit.record(**(given | changes))


def test_an_entry_is_kept(db):
    entry(details={"kind": "email", "occurrences": 3, "scopes": False, "status": None})
    kept = AuditEntry.objects.get()
    assert (kept.actor, kept.action, kept.target, kept.occurred_at) == (
        "staff:7",
        "client.created",
        TARGET,
        NOW,
    )
    assert kept.details == {"kind": "email", "occurrences": 3, "scopes": False, "status": None}


@pytest.mark.parametrize(
    "details",
    [
        pytest.param({"address": "x"}, id="undeclared key"),
        pytest.param({"status": "wrote to asha@example.org"}, id="e-mail address"),
        pytest.param({"status": "+91 98765 43210"}, id="phone"),
        pytest.param({"occurrences": 919876543210}, id="phone as number"),
        pytest.param({"status": "https://example.org/p?token=abc"}, id="link"),
        pytest.param({"status": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc"}, id="token"),
        pytest.param({"status": "x" * 201}, id="long text"),
        pytest.param({"status": ["list"]}, id="list"),
        pytest.param({"status": {"a": 1}}, id="object"),
    ],
)
def test_details_that_could_be_personal_are_a_programming_error(db, details):
    with pytest.raises(ValueError, match=r"key|value"):
        entry(details=details)
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("column", ["actor", "target", "action"])
@pytest.mark.parametrize("value", ["asha@example.org", "client:+919876543210", "", "x" * 300])
def test_references_are_checked_too(db, column, value):
    with pytest.raises(ValueError, match=column):
        entry(**{column: value})


@pytest.mark.parametrize(
    "value", ["2026-11-21", "2026-11-21T09:00:00+00:00", str(UUID(int=12345678901234567890))]
)
def test_dates_and_ids_are_no_phone_numbers(db, value):
    entry(details={"status": value}, target=f"plan:{value}")


@pytest.mark.parametrize(
    "change",
    ["UPDATE crm_audit_log SET actor = 'x'", "DELETE FROM crm_audit_log", "TRUNCATE crm_audit_log"],
)
def test_the_database_refuses_every_change(db, change):
    entry()
    with connection.cursor() as sql, transaction.atomic():
        # Tests that commit need it off; see conftest.
        sql.execute("ALTER TABLE crm_audit_log ENABLE TRIGGER crm_audit_log_no_truncate")
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            sql.execute(change)
    assert AuditEntry.objects.get().actor == "staff:7"


def test_the_orm_cannot_change_it_either(db):
    kept = entry()
    kept.actor = "staff:8"
    with pytest.raises(IntegrityError), transaction.atomic():
        kept.save()
    with pytest.raises(IntegrityError), transaction.atomic():
        kept.delete()
