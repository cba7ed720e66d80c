"""What goes out next and what became of today's messages, in numbers. Each comes with what finds its messages in the
history."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, DateTimeField, F, Func, QuerySet, Subquery, Value
from django.db.models.functions import Least

from communications.choices import Status
from communications.models import Communication, QueueEntry
from communications.rules.message_types import PRIORITIES
from communications.selectors.waiting import waiting
from preferences.rules.windows import SettingRefused, parse_zone

HORIZON = timedelta(hours=24)
LATER_CAP = 10_000
_HOUR = timedelta(hours=1)
# Every zone in use differs from UTC by a multiple of this, so an hour of any zone is made of whole quarters.
_QUARTER = timedelta(minutes=15)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Departure:
    """`count` messages to clients in `zone` become due in the hour that begins there at `at`: those due from
    `due_from` on (what is late in this hour is counted elsewhere) and before `due_before`."""

    at: datetime
    due_from: datetime
    due_before: datetime
    zone: ZoneInfo
    count: int


@dataclass(frozen=True)
class Outlook:
    """`overdue` were due before the quarter of an hour that began at `due_from`; `departures` lie between it and
    `due_before`, HORIZON later, the next first; `later` counts those after it, exact up to LATER_CAP."""

    due_from: datetime
    due_before: datetime
    overdue: int
    departures: Sequence[Departure]
    later: int
    later_is_capped: bool


def going_out(*, now: datetime) -> Outlook:
    """Three queries. The hours are those of the clients. What is held back, by a pause or a provider's trouble, has no
    hour and is not counted."""
    start = _quarter_of(now)
    end = start + HORIZON
    later = waiting().filter(due_at__gte=end)[: LATER_CAP + 1].count()
    return Outlook(
        due_from=start,
        due_before=end,
        overdue=waiting().filter(due_at__lt=start).count(),
        departures=_departures(waiting().filter(due_at__gte=start, due_at__lt=end), start=start, end=end),
        later=min(later, LATER_CAP),
        later_is_capped=later > LATER_CAP,
    )


def next_departure(*, now: datetime) -> Departure | None:
    """What `going_out` would name first, however far away it is. One query, which reads the hour after the first
    message that is not late, by queue_due_idx."""
    start = _quarter_of(now)
    upcoming = waiting().filter(due_at__gte=start)
    # One look into the index for each priority, as it begins with that.
    first = Least(
        *(
            Subquery(upcoming.filter(priority=priority).order_by("due_at").values("due_at")[:1])
            for priority in PRIORITIES
        )
    )
    departures = _departures(upcoming.filter(due_at__lt=first + Value(_HOUR)), start=start)
    return departures[0] if departures else None


def volume_since(start: datetime) -> dict[Status, int]:
    """How the messages made since `start` stand now; statuses that none has are left out. One query."""
    counts = (
        Communication.objects.filter(created_at__gte=start).values("status").annotate(messages=Count("id"))
    )
    by_status = {row["status"]: row["messages"] for row in counts.order_by()}
    return {status: by_status[status] for status in Status if status in by_status}


def _departures(
    entries: QuerySet[QueueEntry], *, start: datetime, end: datetime | None = None
) -> list[Departure]:
    """The hours in which `entries` become due, none of it before `start` or from `end` on; the next first."""
    quarter = Func(
        Value(_QUARTER), F("due_at"), Value(_EPOCH), function="date_bin", output_field=DateTimeField()
    )
    groups = entries.values(quarter=quarter, zone=F("client__preferences__timezone"))
    counted: Counter[tuple[datetime, str]] = Counter()
    for group in groups.annotate(messages=Count("communication_id")):
        zone = _zone(group["zone"])
        hour = group["quarter"].astimezone(zone).replace(minute=0)
        counted[hour.astimezone(UTC), zone.key] += group["messages"]
    return [
        Departure(
            at=at,
            due_from=max(at, start),
            due_before=at + _HOUR if end is None else min(at + _HOUR, end),
            zone=parse_zone(zone),
            count=count,
        )
        for (at, zone), count in sorted(counted.items())
    ]


def _quarter_of(now: datetime) -> datetime:
    return now - (now - _EPOCH) % _QUARTER


def _zone(name: str | None) -> ZoneInfo:
    try:
        return parse_zone(name or settings.CRM_DEFAULT_TIMEZONE)
    except SettingRefused:
        return parse_zone(settings.CRM_DEFAULT_TIMEZONE)
