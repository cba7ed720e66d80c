"""What goes out next, as the frame of every staff page shows it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from backoffice.selectors.outlook import Departure, next_departure
from backoffice.web.access import StaffRequest, staff_page
from communications.web.links import waiting_url
from core import clock

_SEE = "communications.view_communication"
_WEEK = timedelta(days=6)  # within it, the name of a day says which one


@dataclass(frozen=True)
class NextUp:
    """`departure` is None while nothing waits."""

    departure: Departure | None
    hour: str = ""
    url: str = ""


def frame(request: HttpRequest) -> dict[str, Callable[[], NextUp | None]]:
    """Context processor. Nothing is asked until a page with the frame is drawn."""
    return {"next_up": lambda: _next_up(request)}


@staff_page(_SEE)
@require_safe
def next_up(request: StaffRequest) -> HttpResponse:
    """The fragment by itself, for the frame to refresh it."""
    return render(request, "components/next_up.html")


def _next_up(request: HttpRequest) -> NextUp | None:
    """None for who may not see the history."""
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_staff or not user.has_perm(_SEE):
        return None
    now = clock.now()
    departure = next_departure(now=now)
    if departure is None:
        return NextUp(None)
    url = waiting_url(due_from=departure.due_from, due_before=departure.due_before, zone=departure.zone)
    return NextUp(departure, hour_words(departure, now=now), url)


def hour_words(departure: Departure, *, now: datetime) -> str:
    """`08:00`, with its day unless that is today where it is."""
    at, today = departure.at.astimezone(departure.zone), now.astimezone(departure.zone).date()
    if at.date() == today:
        return f"{at:%H:%M}"
    if at.date() - today <= _WEEK:
        return f"{at:%a %H:%M}"
    return f"{at.day} {at:%b}, {at:%H:%M}" if at.year == today.year else f"{at.day} {at:%b %Y}, {at:%H:%M}"
