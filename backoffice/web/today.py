from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from backoffice.selectors.attention import AttentionPage, list_attention
from backoffice.selectors.outlook import going_out, volume_since
from backoffice.web.access import StaffRequest, actor_of, staff_page
from backoffice.web.queries import UNREADABLE, AttentionQuery, read_query
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
        "outlook": outlook,
        "departures": outlook.departures[:_DEPARTURES],
        "more_departures": sum(each.count for each in outlook.departures[_DEPARTURES:]),
        "volume": volume_since(midnight),
        "midnight": midnight,
        "now": now,
    }
    return render(request, "backoffice/today.html", context)


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
        messages.success(request, "Marked done. You find it under Done.")
    return redirect("backoffice:today")
