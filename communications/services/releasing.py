"""Making due again what waited for a pause or a circuit that is over.

A row that meets a pause or an open circuit is put back once, with the name of what it waits for, out of the queue's
index. So a million of them are claimed once each and then lie still: nobody walks over them, and each leaves two
events. When what they wait for has ended they are made due again in batches, most urgent first; so is a row whose own
due time has come before, when it would be too late to send it (or, for a circuit, when its patience is over).

It is a sweep that finds the end, whoever forgot to ring: names that rows wait for and that are over. So a row put back
by a worker that had not yet heard of the end is released by the next one.
"""

import time
from datetime import datetime
from typing import Any, Final

from django.db import connection

from communications.rules.circuit import Circuit, CircuitState
from communications.rules.message_types import PRIORITIES
from communications.services.circuits import glance_at
from communications.services.queue import DISPATCH_TASK
from communications.services.waiting import CIRCUIT, PAUSE, RELEASE_TASK, waits_for_circuit
from core.wake import ring

_BATCH: Final = 2_000


def release_waiting(*, now: datetime, seconds: float = 4.0) -> int:
    """Make due what waits for nothing any more; returns how many rows. What is left after `seconds` is rung for again.

    Any number may run at once: each skips the rows of the others. Statements commit on their own, so that a worker can
    begin with the first rows while the last are still to come.
    """
    until = time.monotonic() + seconds
    released = 0
    names = _waited_for()
    for name in names:
        while time.monotonic() < until and (count := _release(name, now, _BATCH, due_by=now)):
            released += count
    circuits = _circuits([name for name in names if name.startswith(CIRCUIT)])
    for name in (name for name, circuit in circuits.items() if circuit.state(now) is CircuitState.HALF_OPEN):
        # One, to find out; when nothing new is due, nothing else would.
        released += _release(name, now, 1)
    closed = [name for name, circuit in circuits.items() if not circuit.is_open]
    for name in (*_lifted([name for name in names if name.startswith(PAUSE)]), *closed):
        while time.monotonic() < until and (count := _release(name, now, _BATCH)):
            released += count
    if released:
        ring(DISPATCH_TASK)
    if time.monotonic() >= until:
        ring(RELEASE_TASK)
    return released


def _waited_for() -> list[str]:
    """The names that rows wait for, each found by one step in the index, however many rows wait."""
    sql = """
        WITH RECURSIVE names AS (
            (SELECT waits_for FROM crm_queue WHERE waits_for <> '' ORDER BY waits_for LIMIT 1)
            UNION ALL
            SELECT (SELECT q.waits_for FROM crm_queue q
                     WHERE q.waits_for <> '' AND q.waits_for > names.waits_for
                     ORDER BY q.waits_for LIMIT 1)
              FROM names WHERE names.waits_for IS NOT NULL
        )
        SELECT waits_for FROM names WHERE waits_for IS NOT NULL
    """
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [row[0] for row in cursor.fetchall()]


def _circuits(names: list[str]) -> dict[str, Circuit]:
    """None at all while the cache is away: what waits for them is due by itself after its patience."""
    found = glance_at([name.removeprefix(CIRCUIT) for name in names]) if names else None
    return {waits_for_circuit(name): glance.circuit for name, glance in (found or {}).items()}


def _lifted(pauses: list[str]) -> list[str]:
    """Asked after the names: a pause made meanwhile is not taken for one that is over."""
    if not pauses:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT %s::text || id FROM crm_pauses WHERE lifted_at IS NULL AND %s::text || id = ANY(%s)",
            [PAUSE, PAUSE, pauses],
        )
        still_open = {row[0] for row in cursor.fetchall()}
    return [name for name in pauses if name not in still_open]


def _release(name: str, now: datetime, limit: int, *, due_by: datetime | None = None) -> int:
    """Up to `limit` of those that wait for `name`; with `due_by`, of those that are due by then."""
    sql = """
        UPDATE crm_communications SET due_at = %(now)s, waits_for = ''
         WHERE id IN (SELECT c.id FROM crm_queue q JOIN crm_communications c ON c.id = q.communication_id
                       WHERE q.waits_for <> '' AND q.waits_for = %(name)s
                         AND q.priority = ANY(%(priorities)s) AND q.due_at <= %(due_by)s
                         AND c.status = 'scheduled' AND c.waits_for = %(name)s
                       ORDER BY q.priority LIMIT %(limit)s FOR NO KEY UPDATE OF c SKIP LOCKED)
    """
    parameters: dict[str, Any] = {
        "now": now,
        "name": name,
        "limit": limit,
        "priorities": list(PRIORITIES),
        "due_by": due_by or "infinity",
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        count: int = cursor.rowcount
    return count
