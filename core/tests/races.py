"""Running things at the same moment, each thread with a database connection of its own."""

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connection

# Generous: only a failure waits that long, and transactions of other databases on the server count too.
DEADLINE_SECONDS = 180


class Call(threading.Thread):
    """One call in a thread: `finish()` gives its result or raises its error."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._result: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:
            self._error = error
        finally:
            connection.close()

    def finish(self) -> Any:
        self.join(DEADLINE_SECONDS)
        assert not self.is_alive(), "the call did not end"
        if self._error is not None:
            raise self._error
        return self._result


class Gate:
    """Holds a thread until another one opens it."""

    def __init__(self) -> None:
        self._opened = threading.Event()

    def open(self) -> None:
        self._opened.set()

    def is_open(self) -> bool:
        return self._opened.is_set()

    def wait(self) -> None:
        assert self._opened.wait(DEADLINE_SECONDS), "nobody opened the gate"


def at_once(count: int, work: Callable[[], Any]) -> list[Any]:
    """The results of `count` calls that start together."""
    start = threading.Barrier(count)

    def wait_and_work() -> Any:
        start.wait(DEADLINE_SECONDS)
        return work()

    return [call.finish() for call in [Call(wait_and_work) for _ in range(count)]]


def wait_until(condition: Callable[[], Any]) -> Any:
    """The first truthy value of `condition`, asked for until the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)
    return value


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as sql:
        # Otherwise a transaction sees the activity of its first look for ever.
        sql.execute("SELECT pg_stat_clear_snapshot()")
        sql.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(sql.fetchone()[0])


def other_connections() -> int:
    """How many clients beside this connection are on this database."""
    with connection.cursor() as sql:
        sql.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return int(sql.fetchone()[0])
