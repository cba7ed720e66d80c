"""What is paused: for the check before sending, and for whoever looks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import connection

from communications.choices import PauseScope
from communications.models import SENDING_GATE_ID, Pause, QueueEntry
from communications.rules.pauses import OpenPause


@dataclass(frozen=True)
class SendingGateState:
    """The gate's version with the pauses that were open at it: one look, so that the two belong together."""

    version: int
    pauses: Sequence[OpenPause]


def read_sending_gate() -> SendingGateState:
    """One query. Raises RuntimeError where the gate's row is missing: then nothing may be sent."""
    sql = """
        SELECT g.version, p.id, p.scope, p.value
          FROM crm_sending_gate g LEFT JOIN crm_pauses p ON p.lifted_at IS NULL
         WHERE g.id = %s
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [SENDING_GATE_ID])
        rows = cursor.fetchall()
    if not rows:
        raise RuntimeError("The row of crm_sending_gate is missing; `manage.py migrate` makes it.")
    return SendingGateState(
        version=rows[0][0],
        pauses=[OpenPause(pause, PauseScope(scope), value) for _, pause, scope, value in rows if pause],
    )


def open_pauses() -> list[Pause]:
    """The newest first."""
    return list(Pause.objects.filter(lifted_at__isnull=True).order_by("-created_at", "id"))


def count_waiting(waits_for: Collection[str], *, cap: int) -> dict[str, int]:
    """How many messages wait for each of these, exact up to `cap`; index scans alone."""
    waiting = QueueEntry.objects.exclude(waits_for="")
    return {name: waiting.filter(waits_for=name)[: cap + 1].count() for name in waits_for}
