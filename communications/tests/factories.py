"""Rows for tests, made the way the product makes them: through `submit` and `lifecycle.apply`."""

from collections import deque
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from communications.choices import Cause, MessageType, Role, Status, Urgency
from communications.models import Communication, QueueEntry, QueueLease
from communications.rules.lifecycle import TABLE
from communications.services import lifecycle
from communications.services.commands import ClientData, SubmitCommand
from communications.services.lifecycle import Transition
from communications.services.submit import submit
from core import clock


def budgets(*totals: int) -> dict[str, Any]:
    """A budget divided in so many ways, as the planner sends it."""
    return {
        "budget_allocations": [
            {"allocation_id": f"a-{total}", "venue_budget": total, "total_allocated": total}
            for total in totals
        ]
    }


def combinations(*ids: str) -> dict[str, Any]:
    """Vendors to choose from, as the planner sends them."""
    return {
        "vendor_combinations": [
            {"rank": rank, **_combination(identifier)} for rank, identifier in enumerate(ids, start=1)
        ]
    }


def selected(identifier: str) -> dict[str, Any]:
    return {"selected_combination": _combination(identifier)}


def _combination(identifier: str) -> dict[str, Any]:
    vendor = {"id": f"v-{identifier}", "name": "Lotus Haveli", "cost": 90_000}
    return {"combination_id": identifier, "total_cost": 90_000, "vendors": {"venue": vendor}}


# What a type cannot do without, where a test says nothing of it.
_CONTENT: dict[MessageType, dict[str, Any]] = {
    MessageType.BUDGET_SUMMARY: budgets(250_000),
    MessageType.VENDOR_OPTIONS: combinations("c-1"),
    MessageType.SELECTION_CONFIRMATION: selected("c-1"),
}


def a_command(**changes: Any) -> SubmitCommand:
    """A welcome for a new client in Kolkata, critical so that no window holds it."""
    unique = uuid4().hex[:12]
    context = {
        "client_name": "Priya Sharma",
        "client_email": f"priya.{unique}@example.com",
        "event_type": "wedding",
        "event_date": "2035-12-15",
    }
    context |= _CONTENT.get(changes.get("message_type", MessageType.WELCOME), {}) | changes.pop("context", {})
    values: dict[str, Any] = {
        "plan_reference": f"plan-{unique}",
        "client_reference": f"client-{unique}",
        "message_type": MessageType.WELCOME,
        "urgency": Urgency.CRITICAL,
        "client": ClientData(timezone="Asia/Kolkata"),
    }
    return SubmitCommand(**(values | changes), context=context)


def a_communication(*, now: datetime | None = None, **changes: Any) -> Communication:
    """A stored one (the primary of its request), due at once unless the changes say otherwise."""
    submitted = submit(command=a_command(**changes), caller="service:test", now=now or clock.now())
    return Communication.objects.get(request_id=submitted.request_id, role=Role.PRIMARY)


def in_status(status: Status) -> Communication:
    """A communication that was led to `status` by transitions that the table allows."""
    row = a_communication()
    lead_to(row, status)
    row.refresh_from_db()
    return row


def lead_to(row: Communication, status: Status) -> None:
    for to, cause in _path(Status(row.status), status):
        now = clock.now()
        changes: dict[str, Any] = {}
        if to is Status.SENDING:
            lease(row)
            changes = {"call_started_at": now}
        if to is Status.SCHEDULED:
            changes = {"due_at": now}
        lifecycle.apply([Transition(row.id, to, cause, "staff:test", now, changes=changes)], now=now)


def lease(*rows: Communication) -> None:
    """As a claim does for these rows, due or not."""
    lease = QueueLease.objects.create(
        token=uuid4(),
        expires_at=clock.now() + timedelta(minutes=2),
        worker="worker:a",
        communication_ids=[row.id for row in rows],
    )
    QueueEntry.objects.filter(communication__in=rows).update(lease_token=lease.token)


def _path(start: Status, end: Status) -> list[tuple[Status, Cause]]:
    """The shortest way through the table."""
    waiting: deque[tuple[Status, list[tuple[Status, Cause]]]] = deque([(start, [])])
    seen = {start}
    while waiting:
        here, path = waiting.popleft()
        if here is end:
            return path
        for move in TABLE:
            # What fails has been called, not lost its worker five times.
            is_usual = move.causes != {Cause.LEASE_LAPSED_TOO_OFTEN}
            if move.source is here and move.to not in seen and is_usual:
                seen.add(move.to)
                waiting.append((move.to, [*path, (move.to, min(move.causes))]))
    raise ValueError(f"No way leads from {start} to {end}.")
