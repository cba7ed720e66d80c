"""Several statements by one round trip, prepared: for the hot path, where waiting for each answer takes longer than
what is asked."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection
from psycopg import Cursor

Query = tuple[str, Sequence[Any]]
Rows = list[tuple[Any, ...]]


def fetch_together(*queries: Query) -> list[Rows]:
    """The rows of each, in their order. Each sees what was committed when it began, as if they were asked one by one.

    The first of a transaction also begins it. Texts are constants: each is prepared once on every connection.
    """
    return [cursor.fetchall() for cursor in _execute(queries)]


def execute_together(statements: Iterable[Query]) -> None:
    """Statements of which nothing is asked but that they do not fail."""
    _execute(statements)


def _execute(statements: Iterable[Query]) -> "list[Cursor[Any]]":
    connection.ensure_connection()
    raw: Any = connection.connection
    cursors = []
    with connection.wrap_database_errors, raw.pipeline():
        for text, values in statements:
            # Not Django's cursor: that writes values into the text, so each would be parsed and planned anew.
            cursors.append(Cursor(raw).execute(text, values, prepare=True))
            if connection.queries_logged:
                # Where Django would note it: tests count statements by it.
                connection.queries_log.append({"sql": text, "time": "0.000"})
    return cursors
