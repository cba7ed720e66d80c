"""Sealed values: personal data under a key per client, so that destroying one key erases all of it.

Keys are read from the database for each piece of work and never kept in the process: a key that is destroyed
is gone everywhere at once.
"""

import json
import os
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any, NoReturn
from uuid import UUID, uuid4

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from core.copying import copy_in
from core.crypto import KEY_BYTES, installation_data_keys, open_bytes, seal_bytes, unwrap_key, wrap_key
from core.errors import Unreadable
from core.fields import SealedField
from core.models.data_key import DataKey

__all__ = [
    "SealedField",
    "SecretKey",
    "Unreadable",
    "destroy_key",
    "load_keys",
    "new_key",
    "seal",
    "seal_file",
    "seal_for_installation",
    "store_keys",
    "unseal",
    "unseal_file",
    "unseal_for_installation",
]


_encoder = DjangoJSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class SecretKey:
    """An opened data key. Shows its id only, and refuses to be copied into a task or a file."""

    __slots__ = ("_bytes", "data_key_id")

    def __init__(self, data_key_id: UUID, key: bytes) -> None:
        self.data_key_id = data_key_id
        self._bytes = key

    def __repr__(self) -> str:
        return f"SecretKey({self.data_key_id})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A SecretKey cannot be serialised.")


def new_key() -> SecretKey:
    """A key for a new client. What is sealed with it opens again only once `store_keys` has kept it."""
    return SecretKey(uuid4(), os.urandom(KEY_BYTES))


def store_keys(keys: Iterable[SecretKey]) -> None:
    """Keeps new keys, encrypted with the installation's, by one statement."""
    copy_in(DataKey, ({"id": key.data_key_id, "wrapped_key": wrap_key(key._bytes)} for key in keys))


def load_keys(data_key_ids: Iterable[UUID]) -> dict[UUID, SecretKey]:
    """The keys by id, in one query. Destroyed and unknown ones are absent."""
    rows = DataKey.objects.filter(id__in=set(data_key_ids), wrapped_key__isnull=False)
    return {
        data_key_id: SecretKey(data_key_id, unwrap_key(wrapped))
        for data_key_id, wrapped in rows.values_list("id", "wrapped_key")
        if wrapped is not None
    }


def destroy_key(data_key_id: UUID, *, now: datetime) -> bool:
    """Destroys a client's key for good; everything sealed with it is unreadable from the commit on.

    False when there was nothing to destroy.
    """
    live = DataKey.objects.filter(id=data_key_id, destroyed_at__isnull=True)
    return live.update(wrapped_key=None, destroyed_at=now) == 1


def seal(model: type[models.Model], field_name: str, value: Any, key: SecretKey) -> bytes | None:
    """`value` (JSON; dates, Decimal and UUID become text) for that column of that table. None stays None."""
    if value is None:
        return None
    return seal_bytes(key._bytes, _written(value), associated_data=_place(model, field_name))


def unseal(
    model: type[models.Model], field_name: str, blob: bytes | memoryview | None, key: SecretKey
) -> Any:
    """What was sealed. Raises Unreadable when changed, moved from another column, or of another key."""
    if blob is None:
        return None
    return _read(open_bytes(key._bytes, bytes(blob), associated_data=_place(model, field_name)))


def seal_file(model: type[models.Model], field_name: str, content: bytes, key: SecretKey) -> bytes:
    """As `seal`, for bytes as they are."""
    return seal_bytes(key._bytes, content, associated_data=_place(model, field_name))


def unseal_file(
    model: type[models.Model], field_name: str, blob: bytes | memoryview, key: SecretKey
) -> bytes:
    """As `unseal`, for what `seal_file` sealed."""
    return open_bytes(key._bytes, bytes(blob), associated_data=_place(model, field_name))


def seal_for_installation(place: str, value: Any) -> bytes:
    """`value` (as in `seal`) for what belongs to no client yet; `place` says what and where, and opens it again.

    Works without the database: the key comes from the first of FIELD_ENCRYPTION_KEY.
    """
    return seal_bytes(installation_data_keys()[0], _written(value), associated_data=place.encode())


def unseal_for_installation(place: str, blob: bytes) -> Any:
    """What was sealed for this place, while its key is still in FIELD_ENCRYPTION_KEY. Raises Unreadable."""
    for key in installation_data_keys():
        try:
            return _read(open_bytes(key, blob, associated_data=place.encode()))
        except Unreadable:
            continue
    raise Unreadable("No key in FIELD_ENCRYPTION_KEY opens this value in this place.")


def _written(value: Any) -> bytes:
    # Providers send lone surrogates; they must survive rather than fail.
    return _encoder.encode(value).encode("utf-8", "surrogatepass")


def _read(plaintext: bytes) -> Any:
    return json.loads(plaintext.decode("utf-8", "surrogatepass"))


@cache
def _place(model: type[models.Model], field_name: str) -> bytes:
    field = model._meta.get_field(field_name)
    if not isinstance(field, SealedField):
        raise TypeError(f"{model._meta.label}.{field_name} is not a SealedField.")
    return f"{model._meta.db_table}.{field.column}".encode()
