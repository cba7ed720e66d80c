"""Model fields for personal data. They can be stored, read and tested for null; nothing else.

Encrypted fields (contact points) use the installation's keys and open by themselves. Sealed fields hold what
core.sealing made with a client's key; they never open by themselves.
"""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from cryptography.fernet import InvalidToken
from django.core.exceptions import FieldError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Case, Value
from django.db.models.expressions import Col, OrderBy
from django.db.models.functions import Cast
from django.db.models.lookups import IsNull
from encrypted_model_fields import fields as encrypted

from core.crypto import MINIMUM_SEALED_BYTES, VERSION
from core.errors import Unreadable

if TYPE_CHECKING:
    _BinaryField = models.BinaryField[bytes | None, bytes | None]
    _Field = models.Field[Any, Any]
else:
    _BinaryField = models.BinaryField
    _Field = object


class _UnsortableCol(Col):
    """A column that refuses to stand in ORDER BY: the order of ciphertext means nothing."""

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        # Django has no hook for "used in an ordering": OrderBy.as_sql -> compiler.compile -> here.
        if isinstance(sys._getframe(2).f_locals.get("self"), OrderBy):
            raise FieldError(f"{self.target} holds ciphertext and cannot be used in order_by.")
        return super().as_sql(compiler, connection)


class UnsearchableMixin(_Field):
    """Refuses every lookup but isnull, ordering, and anything that compares stored values."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        for option in ("unique", "db_index", "primary_key", "choices", "unique_for_date"):
            if kwargs.get(option):
                raise FieldError(f"A field that holds ciphertext cannot have {option}; use a blind index.")
        super().__init__(*args, **kwargs)

    def get_lookup(self, lookup_name: str) -> type[IsNull]:
        if lookup_name != "isnull":
            self._refuse(lookup_name)
        return IsNull

    def get_transform(self, lookup_name: str) -> NoReturn:
        self._refuse(lookup_name)

    def _refuse(self, lookup_name: str) -> NoReturn:
        raise FieldError(
            f"{self} holds ciphertext: the lookup '{lookup_name}' cannot work. Use a blind index."
        )

    def _require_own_values(self, expression: Any) -> None:
        """An expression is computed by the database, so only values that this field prepares may be in it."""
        if not all(self._is_own(result) for result in _results(expression)):
            raise TypeError(f"{self} takes values only: an expression would store them as they are.")

    def _is_own(self, result: Any) -> bool:
        return isinstance(result, Value) and (result.value is None or result.output_field is self)

    def get_col(self, alias: str, output_field: Any = None) -> Col:
        return _UnsortableCol(alias, self, output_field)


def _results(expression: Any) -> Iterator[Any]:
    """What the expressions of bulk_update can come out as; any other expression counts as its own result."""
    if isinstance(expression, Cast):
        yield from _results(expression.get_source_expressions()[0])
    elif isinstance(expression, Case):
        yield from _results(expression.default)
        for case in expression.cases:
            yield from _results(case.result)
    else:
        yield expression


class _StrictEncryptionMixin(UnsearchableMixin):
    """The package's encryption without its leniency: it returns ciphertext when a key is missing and decrypts
    whatever a user types in."""

    def to_python(self, value: Any) -> Any:
        # Past EncryptedMixin, which would try to decrypt the input.
        return super(encrypted.EncryptedMixin, self).to_python(value)  # type: ignore[misc] # a mixin's view of its siblings

    def from_db_value(self, value: str | None, *_: Any) -> str | None:
        if value is None:
            return None
        try:
            return encrypted.decrypt_str(value)
        except (InvalidToken, UnicodeDecodeError):
            raise Unreadable(f"No key in FIELD_ENCRYPTION_KEY opens {self}.") from None

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:  # noqa: ARG002 - Django's signature
        if value is None:
            return None
        if hasattr(value, "as_sql"):
            self._require_own_values(value)
            return value
        if not isinstance(value, str):
            raise TypeError(f"{self} takes text, not {type(value).__name__}.")
        return encrypted.encrypt_str(value).decode()

    def get_db_prep_value(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        # Only reached by expressions that are not saved (bulk_update saves): plain text must not leave.
        raise TypeError(f"{self} cannot be used as a value outside saving.")


class EncryptedCharField(_StrictEncryptionMixin, encrypted.EncryptedCharField):
    """Text of one line, encrypted with the installation's keys."""


class SealedField(UnsearchableMixin, _BinaryField):
    """What core.sealing.seal returned, or null. Refuses plain bytes and text."""

    def from_db_value(self, value: bytes | memoryview | None, *_: Any) -> bytes | None:
        return None if value is None else bytes(value)

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        if hasattr(value, "as_sql"):
            self._require_own_values(value)
        return super().get_db_prep_save(value, connection)

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        if value is None:
            return None
        if not isinstance(value, bytes):
            raise TypeError(f"{self} takes what seal() returns (bytes), not {type(value).__name__}.")
        if not value.startswith(VERSION) or len(value) < MINIMUM_SEALED_BYTES:
            raise ValueError(f"{self} takes what seal() returns; these bytes are not sealed.")
        return super().get_db_prep_value(value, connection, prepared)
