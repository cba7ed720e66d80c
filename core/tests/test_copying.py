"""Rows that come in by COPY are those that an INSERT would have made."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from core.copying import copy_in
from core.models import AuditEntry, DataKey
from core.tests.diary import diary_table

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)


def test_what_a_row_leaves_out_gets_the_models_default():
    copy_in(DataKey, [{"wrapped_key": "a"}, {"wrapped_key": "b"}])
    first, second = DataKey.objects.order_by("wrapped_key")
    assert first.id != second.id
    assert (first.destroyed_at, type(first.created_at)) == (None, datetime)


def test_an_instance_is_a_row_like_any_other():
    entry = AuditEntry(
        occurred_at=NOW, actor="staff:1", action="a.b", target="x:1", details={"kind": "é\\\t"}
    )
    copy_in(AuditEntry, [vars(entry), vars(entry)])
    rows = AuditEntry.objects.order_by("id")
    assert [(row.actor, row.details, row.occurred_at) for row in rows] == [
        ("staff:1", {"kind": "é\\\t"}, NOW)
    ] * 2
    assert rows[0].id < rows[1].id


def test_nothing_takes_no_statement(django_assert_num_queries):
    with django_assert_num_queries(0):
        copy_in(DataKey, [])


@pytest.fixture
def diary(db):
    with diary_table() as model:
        yield model


def test_encrypted_fields_are_encrypted_and_come_back(diary):
    copy_in(diary, [{"author": "Priya"}])
    assert diary.objects.get().author == "Priya"
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT author FROM "{diary._meta.db_table}"')
        assert "Priya" not in cursor.fetchone()[0]


def test_a_sealed_field_still_refuses_what_is_not_sealed(diary):
    with pytest.raises(TypeError, match="takes what seal"), transaction.atomic():
        copy_in(diary, [{"page": "plain"}])
    assert not diary.objects.exists()


def test_what_contradicts_the_database_is_an_integrity_error():
    same = uuid4()
    with pytest.raises(IntegrityError), transaction.atomic():
        copy_in(DataKey, [{"id": same, "wrapped_key": "a"}, {"id": same, "wrapped_key": "b"}])
    assert not DataKey.objects.exists()
