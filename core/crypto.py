"""Cryptographic building blocks. Which key opens what is decided in core.sealing and core.fields."""

import base64
import hashlib
import hmac
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from core.errors import Unreadable

KEY_BYTES = 32
VERSION = b"\x01"
_NONCE_BYTES = 12
_TAG_BYTES = 16
MINIMUM_SEALED_BYTES = len(VERSION) + _NONCE_BYTES + _TAG_BYTES


def blind_index(value: str, *, kind: str) -> str:
    """64 hex digits that stand for `value` in searches. Normalise first; `kind` keeps domains apart."""
    return _hmac(settings.BLIND_INDEX_KEY.encode(), kind, value.encode())


def keyed_hash(value: bytes | str, *, purpose: str) -> str:
    """64 hex digits for comparing values that are not stored. Never equal to a blind index."""
    data = value.encode() if isinstance(value, str) else value
    return _hmac(_hash_key(settings.BLIND_INDEX_KEY), purpose, data)


def _hmac(key: bytes, domain: str, data: bytes) -> str:
    return hmac.new(key, domain.encode() + b"\x00" + data, hashlib.sha256).hexdigest()


@lru_cache(maxsize=4)
def _hash_key(master: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"crm keyed hash").derive(
        master.encode()
    )


def seal_bytes(key: bytes, plaintext: bytes, *, associated_data: bytes) -> bytes:
    """AES-256-GCM: version byte, nonce, ciphertext with tag."""
    nonce = os.urandom(_NONCE_BYTES)
    return VERSION + nonce + AESGCM(key).encrypt(nonce, plaintext, VERSION + associated_data)


def open_bytes(key: bytes, sealed: bytes, *, associated_data: bytes) -> bytes:
    """The plaintext. Raises Unreadable for another version, key, associated data or any changed bit."""
    if len(sealed) < MINIMUM_SEALED_BYTES or not sealed.startswith(VERSION):
        raise Unreadable("The stored value is not a sealed value of a known version.")
    nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, VERSION + associated_data)
    except InvalidTag:
        raise Unreadable("The sealed value does not open with this key in this column.") from None


def wrap_key(key: bytes) -> str:
    """`key` encrypted with the first of the installation's keys."""
    return _installation_keys(tuple(settings.FIELD_ENCRYPTION_KEY)).encrypt(key).decode()


def unwrap_key(wrapped: str) -> bytes:
    """The key inside; any of the installation's keys may have wrapped it."""
    try:
        return _installation_keys(tuple(settings.FIELD_ENCRYPTION_KEY)).decrypt(wrapped.encode())
    except InvalidToken:
        raise Unreadable("No key in FIELD_ENCRYPTION_KEY opens this data key.") from None


@lru_cache(maxsize=4)
def _installation_keys(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def installation_data_keys() -> tuple[bytes, ...]:
    """The keys for what belongs to no client yet: one from each of FIELD_ENCRYPTION_KEY, the first seals. Known
    without the database."""
    return _derived_data_keys(tuple(settings.FIELD_ENCRYPTION_KEY))


@lru_cache(maxsize=4)
def _derived_data_keys(keys: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(
        HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"crm installation data key").derive(
            base64.urlsafe_b64decode(key)
        )
        for key in keys
    )
