"""The time that rules, due times and windows use: real time plus the demo's offset.

Leases, tokens and signatures stay on real time and do not ask here.
"""

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction

from core.errors import Conflict, FieldProblem, Invalid
from core.models.clock import ClockOffset


def now() -> datetime:
    """Aware, in UTC."""
    return datetime.now(UTC) + offset()


def offset() -> timedelta:
    """Zero, without a query, wherever the demo clock is not allowed."""
    if not settings.CRM_ALLOW_DEMO_CLOCK:
        return timedelta()
    stored = ClockOffset.objects.values_list("offset", flat=True).first()
    return stored if stored is not None else timedelta()


def move_to(instant: datetime) -> datetime:
    """Moves the demo's clock forward to `instant` (aware) and returns the new time."""
    if instant.tzinfo is None:
        raise Invalid([FieldProblem("instant", "no_zone", "Give the instant with its UTC offset.")])
    with transaction.atomic():
        row = _locked()
        return _move(row, instant - (datetime.now(UTC) + row.offset))


def move_by(delta: timedelta) -> datetime:
    """Moves the demo's clock forward by `delta` and returns the new time."""
    with transaction.atomic():
        return _move(_locked(), delta)


def _locked() -> ClockOffset:
    if not settings.CRM_ALLOW_DEMO_CLOCK:
        raise Conflict(
            "The clock cannot be moved here. Set CRM_ALLOW_DEMO_CLOCK=true in a development installation.",
            code="demo_clock_not_allowed",
        )
    ClockOffset.objects.bulk_create([ClockOffset()], ignore_conflicts=True)
    return ClockOffset.objects.select_for_update().get()


def _move(row: ClockOffset, delta: timedelta) -> datetime:
    if delta < timedelta():
        raise Conflict("The demo's clock only moves forward.", code="clock_moves_forward_only")
    row.offset += delta
    row.save(update_fields=["offset"])
    moved: datetime = datetime.now(UTC) + row.offset
    return moved
