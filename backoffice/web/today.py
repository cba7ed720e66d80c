from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from backoffice.selectors.attention import AttentionPage, list_attention
from backoffice.selectors.outlook import Departure, Outlook, going_out, volume_since
from backoffice.web.access import StaffRequest, actor_of, staff_page
from backoffice.web.queries import UNREADABLE, AttentionQuery, read_query
from communications.web.links import waiting_url
from core import attention, clock
from core.errors import Conflict, Invalid, NotFound

_PAGE = 20
_DEPARTURES = 8


@staff_page("core.view_attentionitem")
@require_safe
def today(request: StaffRequest) -> HttpResponse:
    query = read_query(request, AttentionQuery)
    resolved = query["show"] == "resolved"
    now = clock.now()
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    outlook = going_out(now=now)
    context: dict[str, Any] = {
        "page": _page(request, resolved=resolved, after=query["cursor"]),
        "resolved": resolved,
        "is_first": query["cursor"] is None,
        "may_resolve": request.user.has_perm("core.change_attentionitem"),
        "may_act": request.user.has_perm("communications.add_communicationrequest"),
        "outlook": outlook,
        "departures": [(each, _departure_url(each)) for each in outlook.departures[:_DEPARTURES]],
        "within_a_day": _within_a_day(outlook),
        "overdue_url": waiting_url(due_before=outlook.due_from),
        "within_a_day_url": waiting_url(due_from=outlook.due_from, due_before=outlook.due_before),
        "later_url": waiting_url(due_from=outlook.due_before),
        "volume": volume_since(midnight),
        "midnight": midnight,
        "now": now,
    }
    return render(request, "backoffice/today.html", context)


def _departure_url(departure: Departure) -> str:
    return waiting_url(due_from=departure.due_from, due_before=departure.due_before, zone=departure.zone)


def _within_a_day(outlook: Outlook) -> int:
    """All of it, where the page has no room for every hour; else 0."""
    hidden = outlook.departures[_DEPARTURES:]
    return sum(each.count for each in outlook.departures) if hidden else 0


def _page(request: StaffRequest, *, resolved: bool, after: UUID | None) -> AttentionPage:
    try:
        return list_attention(resolved=resolved, after=after, limit=_PAGE)
    except Invalid:
        messages.warning(request, UNREADABLE)
        return list_attention(resolved=resolved, limit=_PAGE)


@staff_page("core.change_attentionitem")
def resolve(request: StaffRequest, item_id: UUID) -> HttpResponse:
    if request.method != "POST":
        return redirect("backoffice:today")
    try:
        attention.resolve(item_id=item_id, actor=actor_of(request.user), now=clock.now())
    except NotFound as error:
        raise Http404 from error
    except Conflict:
        messages.info(request, "Somebody marked this done already.")
    else:
        undo = reverse("backoffice:reopen", args=[item_id])
        messages.success(request, "Marked done. You find it under Done.", extra_tags=undo)
    return redirect("backoffice:today")


@staff_page("core.change_attentionitem")
def reopen(request: StaffRequest, item_id: UUID) -> HttpResponse:
    if request.method != "POST":
        return redirect("backoffice:today")
    try:
        attention.reopen(item_id=item_id, actor=actor_of(request.user), now=clock.now())
    except NotFound as error:
        raise Http404 from error
    except Conflict as conflict:
        messages.info(request, conflict.detail)
    else:
        messages.success(request, "It is open again.")
    return redirect("backoffice:today")
