"""New rows on the hot path: many by one COPY for each table, where one INSERT for each row costs ten times as much; few
by prepared INSERTs that travel together, where a COPY costs three round trips."""

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

from django.db import connection, models
from django.db.models.base import ModelState
from psycopg.types.json import Jsonb

from core.fields import UnsearchableMixin
from core.pipelines import Query, execute_together

M = TypeVar("M", bound=models.Model)

# Up to so many rows in all go by INSERT.
_FEW_ROWS: Final = 40

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


@dataclass(frozen=True, eq=False)
class _Layout:
    into: str
    types: tuple[str, ...]
    columns: tuple[_Column, ...]
    sealed: tuple[tuple[int, "models.Field[Any, Any]"], ...]
    json: tuple[int, ...]

    def values(self, row: Row) -> list[Any]:
        values = [row.get(column.name, _MISSING) for column in self.columns]
        for at, value in enumerate(values):
            if value is _MISSING:
                values[at] = self.columns[at].missing()
        for at, field in self.sealed:
            values[at] = field.get_db_prep_save(values[at], connection)
        return values


class _Gathering(threading.local):
    """What `written_together` holds back: rows by table, the tables as they were first named."""

    rows: dict[_Layout, list[Row]] | None = None


_gathering = _Gathering()


def copy_in(model: type[models.Model], rows: Iterable[Row]) -> None:
    """Insert new rows in their order, in the caller's transaction. IntegrityError as for an INSERT.

    A row names its values by the attributes of the model, so `vars()` of an instance is one; what it leaves out gets
    the model's default. Ids that the database gives are not read back, and signals are not sent.
    """
    rows = list(rows)
    if not rows:
        return
    layout = _layout(model)
    if _gathering.rows is None:
        _write({layout: rows})
    else:
        _gathering.rows.setdefault(layout, []).extend(rows)


def copy_now(model: type[models.Model], rows: Iterable[Row]) -> None:
    """As `copy_in`, but one row after the other and at once, also inside `written_together`: for rows that are too
    large to be held back. Constraints that are deferred allow what they point at to come later."""
    layout = _layout(model)
    with connection.wrap_database_errors, connection.cursor() as cursor:
        _copy_rows(cursor, layout, rows)


@contextmanager
def written_together() -> Iterator[None]:
    """Inside, `copy_in` holds its rows back; when it ends well they are written, few of them by one round trip.

    For a transaction's writers that read nothing of it in between. Changes of rows that are there already are made at
    once, so they come first. IntegrityError is raised at the end.
    """
    if _gathering.rows is not None:
        yield
        return
    gathered: dict[_Layout, list[Row]] = {}
    _gathering.rows = gathered
    try:
        yield
    finally:
        _gathering.rows = None
    _write(gathered)


def new_row(model: type[M], **values: Any) -> M:
    """An instance as `model(**values)` gives it, for rows that are made by the thousand: values are named by attribute
    (`client_id`) and taken as they are, and no signal is sent."""
    constants, calls = _defaults(model)
    row = model.__new__(model)
    state = vars(row)
    state.update(constants)
    state["_state"] = ModelState()
    for name, call in calls:
        if name not in values:
            state[name] = call()
    state.update(values)
    if len(state) != len(constants) + len(calls) + 1:
        raise TypeError(f"{model.__name__} has no field for some of {', '.join(values)}.")
    return row


def _write(rows: Mapping[_Layout, Sequence[Row]]) -> None:
    if not rows:
        return
    if sum(map(len, rows.values())) <= _FEW_ROWS:
        execute_together(_inserts(rows))
    else:
        _copy(rows)


def _inserts(rows: Mapping[_Layout, Sequence[Row]]) -> Iterator[Query]:
    for layout, its_rows in rows.items():
        values = []
        for row in its_rows:
            given = layout.values(row)
            for at in layout.json:
                given[at] = Jsonb(given[at])
            values += given
        yield _insert_of(layout, len(its_rows)), values


@cache
def _insert_of(layout: _Layout, rows: int) -> str:
    one = f"({', '.join(['%s'] * len(layout.columns))})"
    return f"INSERT INTO {layout.into} VALUES {', '.join([one] * rows)}"  # noqa: S608 - names of ours, values bound


def _copy(rows: Mapping[_Layout, Sequence[Row]]) -> None:
    with connection.wrap_database_errors, connection.cursor() as cursor:
        for layout, its_rows in rows.items():
            _copy_rows(cursor, layout, its_rows)


def _copy_rows(cursor: Any, layout: _Layout, rows: Iterable[Row]) -> None:
    with cursor.copy(f"COPY {layout.into} FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(layout.types)
        for row in rows:
            copy.write_row(layout.values(row))


@cache
def _defaults(model: type[models.Model]) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    """What a new row holds where nothing is said: values, and what is called for one."""
    constants: dict[str, Any] = {}
    calls = []
    for field in model._meta.concrete_fields:
        if field.has_default() and callable(field.default):
            calls.append((field.attname, field.default))
        else:
            constants[field.attname] = field.get_default()
    return constants, calls


@cache
def _layout(model: type[models.Model]) -> _Layout:
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)]
    columns = tuple(_column(field) for field in fields)
    names = ", ".join(f'"{field.column}"' for field in fields)
    return _Layout(
        into=f'"{model._meta.db_table}" ({names})',
        types=tuple(_LENGTH.sub("", field.db_type(connection) or "") for field in fields),
        columns=columns,
        sealed=tuple((at, column.sealed) for at, column in enumerate(columns) if column.sealed is not None),
        json=tuple(at for at, field in enumerate(fields) if isinstance(field, models.JSONField)),
    )


def _column(field: "models.Field[Any, Any]") -> _Column:
    is_called = field.has_default() and callable(field.default)
    return _Column(
        name=field.attname,
        default=field.default if is_called else field.get_default(),
        is_called=is_called,
        sealed=field if isinstance(field, UnsearchableMixin) else None,
    )
