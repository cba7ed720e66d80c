"""What goes out next and what became of today's messages, in numbers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, DateTimeField, F, Func, Value

from communications.choices import Status
from communications.models import Communication
from communications.rules.message_types import PRIORITIES
from preferences.rules.windows import SettingRefused, parse_zone

HORIZON = timedelta(hours=24)
LATER_CAP = 10_000
# Every zone in use differs from UTC by a multiple of this, so an hour of any zone is made of whole quarters.
_QUARTER = timedelta(minutes=15)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Departure:
    """So many messages become due in the hour that begins at `at` in `zone`."""

    at: datetime
    zone: ZoneInfo
    count: int


@dataclass(frozen=True)
class Outlook:
    """`overdue` should have gone a quarter of an hour ago; `departures` within HORIZON, the next first; `later`
    counts those after it, exact up to LATER_CAP."""

    overdue: int
    departures: Sequence[Departure]
    later: int
    later_is_capped: bool


def going_out(*, now: datetime) -> Outlook:
    """Two queries. The hours are those of the clients. What is held back, by a pause or a provider's trouble, has no
    hour and is not counted."""
    waiting = Communication.objects.filter(status=Status.SCHEDULED, priority__in=PRIORITIES, waits_for="")
    quarter = Func(
        Value(_QUARTER), F("due_at"), Value(_EPOCH), function="date_bin", output_field=DateTimeField()
    )
    groups = (
        waiting.filter(due_at__lt=now + HORIZON)
        .values(quarter=quarter, zone=F("client__preferences__timezone"))
        .annotate(messages=Count("id"))
        .order_by()
    )
    overdue = 0
    counted: Counter[tuple[datetime, str]] = Counter()
    for group in groups:
        zone = _zone(group["zone"])
        if group["quarter"] + _QUARTER <= now:
            overdue += group["messages"]
        else:
            hour = group["quarter"].astimezone(zone).replace(minute=0)
            counted[hour.astimezone(UTC), zone.key] += group["messages"]
    later = waiting.filter(due_at__gte=now + HORIZON).order_by()[: LATER_CAP + 1].count()
    return Outlook(
        overdue=overdue,
        departures=[Departure(at, parse_zone(zone), count) for (at, zone), count in sorted(counted.items())],
        later=min(later, LATER_CAP),
        later_is_capped=later > LATER_CAP,
    )


def volume_since(start: datetime) -> dict[Status, int]:
    """How the messages made since `start` stand now; statuses that none has are left out. One query."""
    counts = (
        Communication.objects.filter(created_at__gte=start).values("status").annotate(messages=Count("id"))
    )
    by_status = {row["status"]: row["messages"] for row in counts.order_by()}
    return {status: by_status[status] for status in Status if status in by_status}


def _zone(name: str | None) -> ZoneInfo:
    try:
        return parse_zone(name or settings.CRM_DEFAULT_TIMEZONE)
    except SettingRefused:
        return parse_zone(settings.CRM_DEFAULT_TIMEZONE)
