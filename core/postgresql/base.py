"""Django's PostgreSQL backend, except for two things.

A server that is away costs each process a wait now and then, and not each of its callers: requests in an outage are
answered quickly (REL-5). And a pooled connection that was of use a moment ago is not asked whether it still
is (PERF-2).
"""

import threading
import time
from typing import Any
from weakref import WeakKeyDictionary

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg import Connection
from psycopg_pool import ConnectionPool

# So long after a failure nobody asks again.
PAUSE_SECONDS = 1.0
# So long one caller may take to find out; meanwhile the others do not wait with it.
_FINDS_OUT_WITHIN_SECONDS = 5.0
# One that breaks within this time of its last use fails as one does that breaks while it is used.
UNASKED_SECONDS = 1.0


class Outage:
    """What one process knows of one server. Any number of threads may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_away = False
        self._closed_until = 0.0

    def admits(self) -> bool:
        """Whether to try to connect now. In an outage one caller at a time is let through, after a pause."""
        with self._lock:
            if not self._is_away:
                return True
            moment = time.monotonic()
            if moment < self._closed_until:
                return False
            self._closed_until = moment + _FINDS_OUT_WITHIN_SECONDS
            return True

    def goes_on(self) -> None:
        with self._lock:
            self._is_away, self._closed_until = True, time.monotonic() + PAUSE_SECONDS

    def ends(self) -> None:
        with self._lock:
            self._is_away = False


_outages: dict[tuple[str, ...], Outage] = {}


_last_used: "WeakKeyDictionary[Connection[Any], float]" = WeakKeyDictionary()


def check_if_idle(connection: Connection[Any]) -> None:
    """Raises OperationalError when a connection that lay idle for a while does not work any more. One statement."""
    if time.monotonic() - _last_used.get(connection, 0.0) > UNASKED_SECONDS:
        ConnectionPool.check_connection(connection)


class DatabaseWrapper(base.DatabaseWrapper):
    # The stubs leave these out.
    _connection_pools: dict[str, ConnectionPool]
    _configure_connection: Any

    @property
    def pool(self) -> Any:
        options = self.settings_dict["OPTIONS"].get("pool")
        if options and self.alias != NO_DB_ALIAS and self.alias not in self._connection_pools:
            # As Django makes it, but for the check.
            pool = ConnectionPool(
                kwargs=self.get_connection_params() | {"autocommit": True},
                open=False,
                configure=self._configure_connection,
                check=check_if_idle,
                **options,
            )
            self._connection_pools.setdefault(self.alias, pool)
        return super().pool

    def _close(self) -> None:
        if self.connection is not None:
            _last_used[self.connection] = time.monotonic()
        super()._close()  # type: ignore[misc]  # left out of the stubs too

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        outage = _outages.setdefault(self._server(), Outage())
        if not outage.admits():
            raise self.Database.OperationalError("The database was found away a moment ago.")
        try:
            connection = super().get_new_connection(conn_params)
        except self.Database.OperationalError:
            outage.goes_on()
            raise
        outage.ends()
        return connection

    def _server(self) -> tuple[str, ...]:
        described = self.settings_dict
        places = (described["HOST"], described["PORT"], described["NAME"], described["OPTIONS"].get("host"))
        return tuple(str(place) for place in places)
