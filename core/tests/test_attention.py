import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from core import attention
from core.errors import Conflict, NotFound
from core.models import AttentionItem, AuditEntry
from core.tests.races import Call, at_once, somebody_waits_for_a_lock, wait_until

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


def item(**changes) -> AttentionItem:
    given = {
        "kind": "request_refused",
        "dedupe_key": "plan-7:welcome",
        "target": "plan:plan-7",
        "details": {"codes": ["required"]},
        "now": NOW,
    }
    return attention.raise_item(**(given | changes))


def test_an_open_item_counts_its_occurrences(db):
    first = item()
    again = item(now=NOW + timedelta(minutes=5), details={"codes": ["blank"]})
    assert again.id == first.id
    assert (again.occurrences, again.details) == (2, {"codes": ["blank"]})
    assert (again.first_seen_at, again.last_seen_at) == (NOW, NOW + timedelta(minutes=5))


def test_an_older_sighting_does_not_set_the_time_back(db):
    item()
    assert item(now=NOW - timedelta(hours=1)).last_seen_at == NOW


def test_other_kinds_and_keys_are_other_items(db):
    assert len({item().id, item(kind="in_doubt").id, item(dedupe_key="plan-8").id}) == 3


def test_it_is_one_statement(db, django_assert_num_queries):
    with django_assert_num_queries(1):
        item()


def test_a_resolved_item_opens_anew(db):
    first = item()
    resolved = attention.resolve(item_id=first.id, actor="staff:7", now=NOW)
    assert (resolved.resolved_at, resolved.resolved_by) == (NOW, "staff:7")
    second = item()
    assert second.id != first.id
    assert second.occurrences == 1


def test_resolving_is_audited_and_happens_once(db):
    opened = item()
    attention.resolve(item_id=opened.id, actor="staff:7", now=NOW)
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.target) == (
        "staff:7",
        "attention.resolved",
        f"attention:{opened.id}",
    )
    with pytest.raises(Conflict):
        attention.resolve(item_id=opened.id, actor="staff:8", now=NOW)
    with pytest.raises(NotFound):
        attention.resolve(item_id=uuid.uuid4(), actor="staff:8", now=NOW)
    assert AuditEntry.objects.count() == 1


def test_reopening_is_audited_and_happens_once(db):
    opened = item()
    attention.resolve(item_id=opened.id, actor="staff:7", now=NOW)
    again = attention.reopen(item_id=opened.id, actor="staff:8", now=NOW)
    assert (again.resolved_at, again.resolved_by) == (None, "")
    entry = AuditEntry.objects.get(action="attention.reopened")
    assert (entry.actor, entry.target) == ("staff:8", f"attention:{opened.id}")
    assert item().id == opened.id
    with pytest.raises(Conflict) as refused:
        attention.reopen(item_id=opened.id, actor="staff:8", now=NOW)
    assert refused.value.code == "already_open"
    with pytest.raises(NotFound):
        attention.reopen(item_id=uuid.uuid4(), actor="staff:8", now=NOW)


def test_what_came_up_again_is_not_opened_twice(db):
    first = item()
    attention.resolve(item_id=first.id, actor="staff:7", now=NOW)
    second = item()
    with pytest.raises(Conflict) as refused:
        attention.reopen(item_id=first.id, actor="staff:7", now=NOW)
    assert refused.value.code == "open_again"
    assert AttentionItem.objects.get(resolved_at__isnull=True).id == second.id
    assert not AuditEntry.objects.filter(action="attention.reopened").exists()


def test_what_a_caller_chose_is_withheld_when_it_looks_personal(db):
    opened = item(
        dedupe_key="asha@example.org:welcome",
        target="plan:+919876543210",
        details={
            "plan": "asha@example.org",
            "codes": ["ok", "a@b.example"],
            "Not A Key": 1,
            "deep": {"n": 9876543210},
        },
    )
    kept = repr(AttentionItem.objects.values().get())
    for canary in ("asha", "98765", "a@b", "Not A Key"):
        assert canary not in kept
    assert opened.details["codes"] == ["ok", "[withheld]"]
    # The same key still finds the same item.
    assert item(dedupe_key="asha@example.org:welcome").occurrences == 2


@pytest.mark.django_db(transaction=True)
def test_callers_at_the_same_moment_give_one_item():
    results = at_once(8, item)
    assert len({result.id for result in results}) == 1
    assert sorted(result.occurrences for result in results) == list(range(1, 9))
    assert AttentionItem.objects.get().occurrences == 8


@pytest.mark.django_db(transaction=True)
def test_two_people_resolve_one_item_once():
    opened = item()

    def resolve() -> str:
        try:
            attention.resolve(item_id=opened.id, actor="staff:7", now=NOW)
        except Conflict:
            return "refused"
        return "resolved"

    assert sorted(at_once(2, resolve)) == ["refused", "resolved"]


@pytest.mark.django_db(transaction=True)
def test_an_uncommitted_item_is_counted_once_it_commits():
    with transaction.atomic():
        first = item()
        other = Call(item)
        wait_until(somebody_waits_for_a_lock)
    assert (other.finish().id, other.finish().occurrences) == (first.id, 2)
