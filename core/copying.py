"""Many new rows by one COPY per table: for the hot path, where one INSERT for each row costs ten times as much."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import connection, models

from core.fields import UnsearchableMixin

# varchar(64): COPY wants the type alone.
_LENGTH = re.compile(r"\(\d+\)")
_MISSING: Any = object()

Row = Mapping[str, Any]


@dataclass(frozen=True)
class _Column:
    """`default`: of a row that says nothing. `sealed`: the field has to encrypt its values or look at them."""

    name: str
    default: Any
    is_called: bool
    sealed: "models.Field[Any, Any] | None"

    def missing(self) -> Any:
        return self.default() if self.is_called else self.default


@dataclass(frozen=True)
class _Layout:
    statement: str
    types: tuple[str, ...]
    columns: tuple[_Column, ...]
    sealed: tuple[tuple[int, "models.Field[Any, Any]"], ...]

    def values(self, row: Row) -> list[Any]:
        values = [row.get(column.name, _MISSING) for column in self.columns]
        for at, value in enumerate(values):
            if value is _MISSING:
                values[at] = self.columns[at].missing()
        for at, field in self.sealed:
            values[at] = field.get_db_prep_save(values[at], connection)
        return values


def copy_in(model: type[models.Model], rows: Iterable[Row]) -> None:
    """Insert new rows in their order, in the caller's transaction. IntegrityError as for an INSERT.

    A row names its values by the attributes of the model, so `vars()` of an instance is one; what it leaves out gets
    the model's default. Ids that the database gives are not read back, and signals are not sent.
    """
    rows = list(rows)
    if not rows:
        return
    layout = _layout(model)
    with (
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(layout.statement) as copy,
    ):
        copy.set_types(layout.types)
        for row in rows:
            copy.write_row(layout.values(row))


@cache
def _layout(model: type[models.Model]) -> _Layout:
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)]
    columns = tuple(_column(field) for field in fields)
    names = ", ".join(f'"{field.column}"' for field in fields)
    return _Layout(
        statement=f'COPY "{model._meta.db_table}" ({names}) FROM STDIN (FORMAT BINARY)',
        types=tuple(_LENGTH.sub("", field.db_type(connection) or "") for field in fields),
        columns=columns,
        sealed=tuple((at, column.sealed) for at, column in enumerate(columns) if column.sealed is not None),
    )


def _column(field: "models.Field[Any, Any]") -> _Column:
    is_called = field.has_default() and callable(field.default)
    return _Column(
        name=field.attname,
        default=field.default if is_called else field.get_default(),
        is_called=is_called,
        sealed=field if isinstance(field, UnsearchableMixin) else None,
    )
