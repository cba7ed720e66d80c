"""Django's PostgreSQL backend, except that a server that is away costs each process a wait now and then, and
not each of its callers: requests in an outage are answered quickly (REL-5)."""

import threading
import time
from typing import Any

from django.db.backends.postgresql import base

# So long after a failure nobody asks again.
PAUSE_SECONDS = 1.0
# So long one caller may take to find out; meanwhile the others do not wait with it.
_FINDS_OUT_WITHIN_SECONDS = 5.0


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


class DatabaseWrapper(base.DatabaseWrapper):
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
