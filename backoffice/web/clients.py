from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from backoffice.selectors.client_messages import Timeline, last_messages, planned, timeline
from backoffice.web.access import StaffRequest, actor_of, staff_page, wants_fragment
from backoffice.web.preference_lines import preference_lines
from backoffice.web.queries import UNREADABLE, ClientQuery, TimelineQuery, read_query
from clients.choices import ContactKind, RevealReason
from clients.models import Client
from clients.selectors.detail import get_client
from clients.selectors.directory import ClientOrder, ClientPage, list_clients
from clients.services.reveal import reveal_contact
from core import clock
from core.errors import Invalid, NotFound
from preferences.selectors.consent import allowed_channels
from preferences.selectors.effective import effective_preferences

_PAGE = 25
_TIMELINE_PAGE = 20
_PLANNED = 10


@staff_page("clients.view_client")
@require_safe
def client_list(request: StaffRequest) -> HttpResponse:
    query = read_query(request, ClientQuery)
    search = query["q"] or ""
    order = ClientOrder(query["order"] or ClientOrder.NEWEST)
    page = _client_page(request, search, order, query["cursor"])
    messages_of = last_messages([entry.row.id for entry in page.entries])
    context = {
        "page": page,
        "lines": [(entry, messages_of.get(entry.row.id)) for entry in page.entries],
        "search": search,
        "order": order,
        "is_first": query["cursor"] is None,
    }
    return render(request, "backoffice/clients.html", context)


def _client_page(request: StaffRequest, search: str, order: ClientOrder, after: UUID | None) -> ClientPage:
    try:
        return list_clients(search=search, order=order, after=after, limit=_PAGE)
    except Invalid:
        messages.warning(request, UNREADABLE)
        return list_clients(search=search, order=order, limit=_PAGE)


@staff_page("clients.view_client")
@require_safe
def client(request: StaffRequest, client_id: UUID) -> HttpResponse:
    return render(request, "backoffice/client.html", _client_context(request, client_id))


class RevealForm(forms.Form):
    kind = forms.ChoiceField(choices=[(kind.value, kind.label) for kind in ContactKind])
    reason = forms.ChoiceField(
        choices=[("", "Choose a reason"), *((reason.value, reason.label) for reason in RevealReason)],
        required=False,
    )


@staff_page("clients.reveal_contact", "clients.reveal_contact_with_reason")
def reveal(request: StaffRequest, client_id: UUID) -> HttpResponse:
    """Shows one address in the answer to the form itself: nothing of it is in the page's URL, and loading the
    client's page again shows it masked."""
    if request.method != "POST":
        return redirect("backoffice:client", client_id)
    if not request.user.has_perm("clients.view_client"):
        raise PermissionDenied
    form = RevealForm(request.POST)
    if not form.is_valid():
        messages.warning(request, "Choose which address to show, and a reason of the list.")
        return _client_again(request, client_id)
    kind = ContactKind(form.cleaned_data["kind"])
    reason = form.cleaned_data["reason"]
    try:
        address = reveal_contact(
            client_id=client_id,
            kind=kind,
            reason=RevealReason(reason) if reason else None,
            reason_required=not request.user.has_perm("clients.reveal_contact"),
            actor=actor_of(request.user),
            now=clock.now(),
        )
    except NotFound as error:
        raise Http404 from error
    except Invalid as refusal:
        messages.warning(request, refusal.problems[0].message)
        return _client_again(request, client_id)
    return _client_again(request, client_id, revealed={kind.value: address})


def _client_again(
    request: StaffRequest, client_id: UUID, revealed: dict[str, str] | None = None
) -> HttpResponse:
    """The contact card alone for htmx, else the whole page."""
    context = _client_context(request, client_id) | {"revealed": revealed or {}}
    template = "backoffice/_contact.html" if wants_fragment(request) else "backoffice/client.html"
    return render(request, template, context)


def _client_context(request: StaffRequest, client_id: UUID) -> dict[str, Any]:
    try:
        detail = get_client(client_id)
    except NotFound as error:
        raise Http404 from error
    cursor = read_query(request, TimelineQuery)["cursor"]
    now = clock.now()
    effective = effective_preferences([client_id], default_timezone=settings.CRM_DEFAULT_TIMEZONE)[client_id]
    may_reveal = request.user.has_perm("clients.reveal_contact")
    return {
        "client": detail.row,
        "plans": detail.plans,
        "contacts": detail.contacts,
        "page": _timeline(request, detail.row, cursor),
        "is_first": cursor is None,
        "planned": planned(detail.row, limit=_PLANNED),
        "preferences": preference_lines(effective, allowed_channels([client_id])[client_id], now=now),
        "zone": None if effective.zone_is_default else effective.zone,
        "now": now,
        "may_reveal": may_reveal,
        "may_reveal_with_reason": not may_reveal
        and request.user.has_perm("clients.reveal_contact_with_reason"),
        "reasons": list(RevealReason),
        "revealed": {},
        "is_fragment": wants_fragment(request),
    }


def _timeline(request: StaffRequest, client: Client, cursor: str | None) -> Timeline:
    with_contents = request.user.has_perm("communications.view_content")
    try:
        return timeline(client, with_contents=with_contents, cursor=cursor, limit=_TIMELINE_PAGE)
    except Invalid:
        messages.warning(request, UNREADABLE)
        return timeline(client, with_contents=with_contents, cursor=None, limit=_TIMELINE_PAGE)
