"""Rows that come in by COPY, or few of them by INSERT, are those that the model would have made."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from core import copying
from core.copying import copy_in, new_row, written_together
from core.models import AuditEntry, DataKey
from core.tests.diary import diary_table

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)


@pytest.fixture(autouse=True, params=["INSERT", "COPY"])
def way(request, monkeypatch):
    if request.param == "COPY":
        monkeypatch.setattr(copying, "_FEW_ROWS", 0)


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


class TestTogether:
    def test_nothing_is_written_before_the_end_and_all_of_it_then(self):
        with transaction.atomic(), written_together():
            copy_in(DataKey, [{"wrapped_key": "a"}])
            copy_in(AuditEntry, [{"occurred_at": NOW, "actor": "staff:1", "action": "a.b", "target": "x:1"}])
            copy_in(DataKey, [{"wrapped_key": "b"}])
            assert not DataKey.objects.exists()
        assert list(DataKey.objects.order_by("wrapped_key").values_list("wrapped_key", flat=True)) == [
            "a",
            "b",
        ]
        assert AuditEntry.objects.get().details == {}

    def test_what_fails_inside_leaves_nothing_behind(self):
        def fail():
            copy_in(DataKey, [{"wrapped_key": "a"}])
            raise RuntimeError

        with pytest.raises(RuntimeError), written_together():
            fail()
        copy_in(DataKey, [{"wrapped_key": "b"}])
        assert DataKey.objects.get().wrapped_key == "b"

    def test_one_inside_another_is_written_with_the_outer(self):
        with written_together():
            with written_together():
                copy_in(DataKey, [{"wrapped_key": "a"}])
            assert not DataKey.objects.exists()
        assert DataKey.objects.count() == 1

    def test_contradictions_are_found_at_the_end(self):
        same = uuid4()
        with pytest.raises(IntegrityError), transaction.atomic(), written_together():
            copy_in(DataKey, [{"id": same, "wrapped_key": name} for name in "ab"])
        assert not DataKey.objects.exists()


class TestNewRows:
    def test_one_is_what_the_model_makes(self):
        given = {"wrapped_key": "a", "created_at": NOW}
        made, usual = new_row(DataKey, **given), DataKey(**given)
        assert {**vars(made), "id": 0, "_state": 0} == {**vars(usual), "id": 0, "_state": 0}
        made.save(force_insert=True)
        assert DataKey.objects.get() == made

    def test_two_share_nothing(self):
        first, second = (new_row(AuditEntry) for _ in range(2))
        first.details["a"] = 1
        assert second.details == {}

    def test_a_name_that_the_model_does_not_know_is_refused(self):
        with pytest.raises(TypeError, match="no field"):
            new_row(DataKey, colour="blue")
