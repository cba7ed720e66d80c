import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from core import crypto
from core.errors import Unreadable

KEY = bytes(range(32))


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_what_is_sealed_opens_again(plaintext, place):
    sealed = crypto.seal_bytes(KEY, plaintext, associated_data=place)
    assert crypto.open_bytes(KEY, sealed, associated_data=place) == plaintext


def test_two_seals_of_one_value_differ():
    first, second = (crypto.seal_bytes(KEY, b"x", associated_data=b"t.c") for _ in range(2))
    assert first != second


def test_every_changed_byte_is_noticed():
    sealed = crypto.seal_bytes(KEY, b"content", associated_data=b"t.c")
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(Unreadable):
            crypto.open_bytes(KEY, bytes(changed), associated_data=b"t.c")


@pytest.mark.parametrize("length", [0, 1, 28])
def test_a_truncated_value_is_unreadable(length):
    sealed = crypto.seal_bytes(KEY, b"", associated_data=b"t.c")
    with pytest.raises(Unreadable):
        crypto.open_bytes(KEY, sealed[:length], associated_data=b"t.c")


def test_another_key_or_place_is_unreadable():
    sealed = crypto.seal_bytes(KEY, b"content", associated_data=b"t.c")
    with pytest.raises(Unreadable):
        crypto.open_bytes(bytes(32), sealed, associated_data=b"t.c")
    with pytest.raises(Unreadable):
        crypto.open_bytes(KEY, sealed, associated_data=b"t.d")


def test_blind_index_is_stable_and_apart_by_kind():
    index = crypto.blind_index("asha@example.org", kind="email")
    assert index == crypto.blind_index("asha@example.org", kind="email")
    assert len(index) == 64
    assert index != crypto.blind_index("asha@example.org", kind="phone")
    assert "asha" not in index


def test_blind_index_ignores_a_rotation_of_the_other_keys(settings):
    before = crypto.blind_index("asha@example.org", kind="email")
    settings.SECRET_KEY = "another"
    settings.FIELD_ENCRYPTION_KEY = [Fernet.generate_key().decode()]
    assert crypto.blind_index("asha@example.org", kind="email") == before


def test_keyed_hash_is_not_the_blind_index():
    value, domain = "asha@example.org", "email"
    hashed = crypto.keyed_hash(value, purpose=domain)
    assert hashed != crypto.blind_index(value, kind=domain)
    assert hashed == crypto.keyed_hash(value.encode(), purpose=domain)
    assert hashed != crypto.keyed_hash(value, purpose="other")


def test_a_wrapped_key_opens_with_any_installation_key(settings):
    old = settings.FIELD_ENCRYPTION_KEY
    wrapped = crypto.wrap_key(KEY)
    settings.FIELD_ENCRYPTION_KEY = [Fernet.generate_key().decode(), *old]
    assert crypto.unwrap_key(wrapped) == KEY
    settings.FIELD_ENCRYPTION_KEY = [Fernet.generate_key().decode()]
    with pytest.raises(Unreadable):
        crypto.unwrap_key(wrapped)
