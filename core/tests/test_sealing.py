import pickle
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from cryptography.fernet import Fernet
from django.db import IntegrityError, transaction

from core import sealing
from core.errors import Unreadable
from core.models import DataKey
from core.tests.diary import diary_table

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture
def diary(db):
    with diary_table() as model:
        yield model


def a_stored_key():
    key = sealing.new_key()
    sealing.store_keys([key])
    return sealing.load_keys([key.data_key_id])[key.data_key_id]


@pytest.fixture
def key(db):
    return a_stored_key()


@pytest.mark.parametrize("value", [{"name": "Zoë 花 \ud800", "guests": 120}, [], "", 0, False, [None, 1.5]])
def test_a_value_comes_back_from_the_database_as_it_was(diary, key, value):
    diary.objects.create(page=sealing.seal(diary, "page", value, key))
    assert sealing.unseal(diary, "page", diary.objects.get().page, key) == value


def test_none_stays_null(diary, key):
    assert sealing.seal(diary, "page", None, key) is None
    assert sealing.unseal(diary, "page", None, key) is None


def test_dates_decimals_and_uuids_become_text(diary, key):
    reference = uuid.uuid4()
    value = {"at": NOW, "on": date(2026, 11, 21), "amount": Decimal("12.50"), "id": reference}
    opened = sealing.unseal(diary, "page", sealing.seal(diary, "page", value, key), key)
    assert opened == {
        "at": "2026-11-21T09:00:00Z",
        "on": "2026-11-21",
        "amount": "12.50",
        "id": str(reference),
    }


@pytest.mark.parametrize("value", [float("nan"), object(), b"bytes"])
def test_what_json_cannot_say_is_refused(diary, key, value):
    with pytest.raises((TypeError, ValueError)):
        sealing.seal(diary, "page", value, key)


def test_a_value_opens_in_its_own_column_only(diary, key):
    blob = sealing.seal(diary, "page", "secret", key)
    with pytest.raises(Unreadable):
        sealing.unseal(diary, "appendix", blob, key)


def test_a_value_opens_with_its_own_key_only(diary, key):
    blob = sealing.seal(diary, "page", "secret", key)
    other = a_stored_key()
    with pytest.raises(Unreadable):
        sealing.unseal(diary, "page", blob, other)


def test_only_sealed_fields_can_be_sealed(diary, key):
    with pytest.raises(TypeError, match="not a SealedField"):
        sealing.seal(diary, "note", "x", key)


def test_destroying_a_key_makes_its_values_unreadable(diary, key):
    other = a_stored_key()
    diary.objects.create(page=sealing.seal(diary, "page", {"text": "canary"}, key))
    assert sealing.destroy_key(key.data_key_id, now=NOW) is True
    # Nothing in the process still opens it: keys are read anew for each piece of work.
    assert set(sealing.load_keys([key.data_key_id, other.data_key_id])) == {other.data_key_id}
    row = DataKey.objects.get(id=key.data_key_id)
    assert (row.wrapped_key, row.destroyed_at) == (None, NOW)
    assert sealing.destroy_key(key.data_key_id, now=NOW) is False


def test_a_destroyed_key_cannot_be_half_there(key):
    with pytest.raises(IntegrityError, match="crm_data_keys_destroyed_has_no_key"), transaction.atomic():
        DataKey.objects.filter(id=key.data_key_id).update(destroyed_at=NOW)


def test_keys_are_loaded_in_one_query(db, django_assert_num_queries):
    ids = [a_stored_key().data_key_id for _ in range(5)]
    with django_assert_num_queries(1):
        assert set(sealing.load_keys(ids * 2)) == set(ids)


def test_any_number_of_keys_is_stored_in_one_query(db, django_assert_num_queries):
    keys = [sealing.new_key() for _ in range(5)]
    with django_assert_num_queries(1):
        sealing.store_keys(keys)
    assert {key._bytes for key in sealing.load_keys(key.data_key_id for key in keys).values()} == {
        key._bytes for key in keys
    }


def test_keys_are_stored_wrapped(key):
    assert key._bytes.hex() not in repr(DataKey.objects.values().get(id=key.data_key_id))


def test_a_rotated_installation_key_still_opens_data_keys(key, settings):
    settings.FIELD_ENCRYPTION_KEY = [Fernet.generate_key().decode(), *settings.FIELD_ENCRYPTION_KEY]
    assert sealing.load_keys([key.data_key_id])[key.data_key_id]._bytes == key._bytes


def test_a_secret_key_shows_nothing_and_does_not_travel(key):
    shown = f"{key!r} {key} {[key]}"
    assert key._bytes.hex() not in shown
    assert repr(key._bytes) not in shown
    with pytest.raises(TypeError):
        pickle.dumps(key)
    assert not hasattr(key, "__dict__")


def test_what_belongs_to_no_client_opens_in_its_place_without_the_database():
    """No django_db mark: touching the database would fail."""
    sealed = sealing.seal_for_installation("spool of one", {"name": "Zoë \ud800"})
    assert sealing.unseal_for_installation("spool of one", sealed) == {"name": "Zoë \ud800"}
    with pytest.raises(Unreadable):
        sealing.unseal_for_installation("spool of another", sealed)


def test_an_installation_key_that_moved_back_in_the_list_still_opens(settings):
    sealed = sealing.seal_for_installation("here", "old")
    old, new = settings.FIELD_ENCRYPTION_KEY, [Fernet.generate_key().decode()]
    settings.FIELD_ENCRYPTION_KEY = [*new, *old]
    assert sealing.unseal_for_installation("here", sealed) == "old"
    settings.FIELD_ENCRYPTION_KEY = new
    with pytest.raises(Unreadable):
        sealing.unseal_for_installation("here", sealed)
