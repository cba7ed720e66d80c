"""Telling a database that is away from one that refuses something."""

from typing import Final

from django.db import DatabaseError, InterfaceError, OperationalError, connection

DATABASE_AWAY: Final = (OperationalError, InterfaceError)


def is_away() -> bool:
    """Asks it. For after an error of DATABASE_AWAY, outside a transaction: a deadlock is such an error too."""
    try:
        connection.close()
        with connection.cursor() as sql:
            sql.execute("SELECT 1")
    except (DatabaseError, InterfaceError):
        return True
    return False
