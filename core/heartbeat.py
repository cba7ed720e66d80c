"""Signs of life of long-running processes: a row per component and instance, on the database's clock."""

import os
import socket
import threading
from typing import Any

from django.db import DEFAULT_DB_ALIAS, Error, connection, connections

from core.logs import get_logger

logger = get_logger("heartbeat")

BEAT_SECONDS = 10
STALE_AFTER_SECONDS = 60

_BEAT = """
INSERT INTO crm_heartbeats (component, instance, started_at, beat_at)
VALUES (%s, %s, clock_timestamp(), clock_timestamp())
ON CONFLICT (component, instance) DO UPDATE SET beat_at = clock_timestamp()
"""
_FORGET_DEAD = "DELETE FROM crm_heartbeats WHERE beat_at < clock_timestamp() - interval '1 day'"
_YOUNGEST = """
SELECT extract(epoch FROM clock_timestamp() - max(beat_at))::float FROM crm_heartbeats WHERE component = %s
"""


class HeartbeatThread(threading.Thread):
    """Writes its row every `every_seconds` until stopped; a database that is away only delays it."""

    def __init__(self, component: str, *, every_seconds: float = BEAT_SECONDS) -> None:
        super().__init__(name=f"heartbeat-{component}", daemon=True)
        self.component = component
        self.instance = f"{socket.gethostname()}:{os.getpid()}"
        self._every_seconds = every_seconds
        self._stopped = threading.Event()
        self._away = False

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        own = _own_connection()
        try:
            while True:
                self._beat(own)
                if self._stopped.wait(self._every_seconds):
                    return
        finally:
            own.close()

    def _beat(self, own: Any) -> None:
        try:
            with own.cursor() as sql:
                sql.execute(_BEAT, [self.component, self.instance])
                sql.execute(_FORGET_DEAD)
        except Error as error:
            own.close()
            if not self._away:
                logger.warning(
                    "heartbeat not written, the database is away", check=self.component, error=error
                )
            self._away = True
        else:
            if self._away:
                logger.info("heartbeat written again", check=self.component)
            self._away = False


def start_heartbeat(component: str) -> HeartbeatThread:
    """Starts the heartbeat of this process. It ends with the process."""
    thread = HeartbeatThread(component)
    thread.start()
    return thread


def seconds_since_last_beat(component: str) -> float | None:
    """The age of the youngest heartbeat of any instance; None if there never was one."""
    with connection.cursor() as sql:
        sql.execute(_YOUNGEST, [component])
        age: float | None = sql.fetchone()[0]
        return age


def _own_connection() -> Any:
    """Not from the pool: a worker forks after this thread has started, and a pool does not survive that."""
    described = {
        **connection.settings_dict,
        "OPTIONS": {**connection.settings_dict["OPTIONS"], "connect_timeout": 2},
    }
    described["OPTIONS"].pop("pool", None)
    return type(connections[DEFAULT_DB_ALIAS])(described, alias="heartbeat")
