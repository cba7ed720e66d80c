"""Preferences of one client, set by staff for them: what holds and why, the ledger, and who changed what."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from backoffice.rules.setting_words import NAMES, ORIGINS, value_words
from backoffice.web.access import StaffRequest, actor_of, staff_page
from clients.selectors.detail import ClientDetail, get_client
from clients.selectors.directory import list_clients
from core import clock
from core.choices import Channel
from core.errors import Invalid, NotFound
from core.people import actor_names
from preferences.choices import CHANNEL_LABELS, ConsentSource, SettingSource
from preferences.rules import wordings
from preferences.selectors.changes import Change, changes_of
from preferences.selectors.ledger import LedgerEntry, ledger_of
from preferences.selectors.profile import Profile, profile_of
from preferences.services.changing import MAX_WHY, Author, PreferenceChange, change_preferences
from preferences.web.centre import zone_names
from preferences.web.forms import PreferencesForm

_SEE: Final = "preferences.view_clientpreferences"
_CHANGE: Final = "preferences.change_clientpreferences"
_SEE_LEDGER: Final = "preferences.view_consententry"
_STOP_ALL: Final = "stop_all"
_FOUND: Final = 25


class StaffPreferencesForm(PreferencesForm):
    why = forms.CharField(
        max_length=MAX_WHY,
        required=False,
        label="Why",
        help_text="For colleagues, kept for good. Leave names, addresses and numbers out.",
    )


@dataclass(frozen=True)
class LedgerLine:
    entry: LedgerEntry
    channel: str
    source: str
    by: str


@dataclass(frozen=True)
class ChangeLine:
    change: Change
    texts: list[str]


class FindForm(forms.Form):
    q = forms.CharField(max_length=320, required=False, label="Client")


@staff_page(_SEE)
@require_safe
def find_preferences(request: StaffRequest) -> HttpResponse:
    """Loads a client by id, address or name; one who alone is meant is opened at once."""
    form = FindForm(request.GET or None)
    search = form.cleaned_data["q"].strip() if form.is_valid() else ""
    found = list_clients(search=search, limit=_FOUND).entries if search else []
    if len(found) == 1:
        return redirect("backoffice:preferences", found[0].row.id)
    context = {"form": form if form.is_bound else FindForm(), "search": search, "found": found}
    return render(request, "backoffice/find_preferences.html", context)


@staff_page(_SEE)
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: StaffRequest, client_id: UUID) -> HttpResponse:
    try:
        detail = get_client(client_id)
    except NotFound as error:
        raise Http404 from error
    may_change = request.user.has_perm(_CHANGE) and detail.row.erased_at is None
    profile, now = profile_of(client_id), clock.now()
    if request.method != "POST":
        return _page(request, detail, profile, StaffPreferencesForm(profile, now=now))
    if not may_change:
        return _refused(request, detail, profile)
    form = StaffPreferencesForm(profile, now=now, data=request.POST)
    if _STOP_ALL in request.POST:
        form = StaffPreferencesForm(profile, now=now)
        change, why = PreferenceChange(opted_out=dict.fromkeys(Channel, True)), ""
    elif form.is_valid():
        change, why = form.change(), form.cleaned_data["why"]
    else:
        return _page(request, detail, profile, form, status=422)
    author = Author(SettingSource.STAFF, actor_of(request.user), wordings.STAFF, why=why)
    try:
        changed = change_preferences(client_id=client_id, change=change, author=author, now=now)
    except Invalid as refused:
        form.take_problems(refused)
        return _page(request, detail, profile, form, status=422)
    if changed.settings:
        messages.success(request, "Saved. It holds from now on, also for what waits.")
    else:
        messages.info(request, "Nothing was different, so nothing was changed.")
    return redirect("backoffice:preferences", client_id)


def _refused(request: StaffRequest, detail: ClientDetail, profile: Profile) -> HttpResponse:
    messages.error(request, "Your role may look at preferences and not change them.")
    return _page(request, detail, profile, StaffPreferencesForm(profile, now=clock.now()), status=403)


def _page(
    request: StaffRequest,
    detail: ClientDetail,
    profile: Profile,
    form: StaffPreferencesForm,
    *,
    status: int = 200,
) -> HttpResponse:
    client_id = detail.row.id
    context = {
        "client": detail.row,
        "contacts": {contact.kind.value: contact for contact in detail.contacts},
        "form": form,
        "profile": profile,
        "origins": [(NAMES[name], ORIGINS[origin]) for name, origin in profile.origins.items()],
        "zone": profile.effective.zone,
        "zones": zone_names(),
        "ledger": _ledger(client_id) if request.user.has_perm(_SEE_LEDGER) else [],
        "changes": [_change_line(each, profile) for each in changes_of(client_id)],
        "may_change": request.user.has_perm(_CHANGE) and detail.row.erased_at is None,
    }
    return render(request, "backoffice/preferences.html", context, status=status)


def _ledger(client_id: UUID) -> list[LedgerLine]:
    entries = ledger_of(client_id)
    names = actor_names({entry.row.actor for entry in entries})
    return [
        LedgerLine(
            entry,
            CHANNEL_LABELS[entry.row.channel],  # type: ignore[index]  # a StrEnum is its value
            ConsentSource(entry.row.source).label,
            names.get(entry.row.actor, ""),
        )
        for entry in entries
    ]


def _change_line(change: Change, profile: Profile) -> ChangeLine:
    zone = profile.effective.zone
    return ChangeLine(
        change,
        [
            f"{NAMES[each.setting]}: {value_words(each.setting, each.before, zone)} → "
            f"{value_words(each.setting, each.after, zone)}"
            for each in change.settings
        ],
    )
