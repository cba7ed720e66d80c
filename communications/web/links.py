"""Addresses of lists, for numbers that open the list behind them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils.http import urlencode

from communications.choices import Status


def waiting_url(
    *, due_from: datetime | None = None, due_before: datetime | None = None, zone: ZoneInfo | None = None
) -> str:
    """The history of what waits to go out then, to clients in `zone`. Times are whole minutes; the address means the
    same to everybody who opens it."""
    query = {
        "status": Status.SCHEDULED.value,
        "due_from": _instant(due_from),
        "due_before": _instant(due_before),
        "zone": zone.key if zone else None,
    }
    given = {name: value for name, value in query.items() if value}
    return f"{reverse('communications:history')}?{urlencode(given)}"


def _instant(at: datetime | None) -> str | None:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}" if at else None
