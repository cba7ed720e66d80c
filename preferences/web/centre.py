"""The preference centre: a client's own page, by a signed link, without login or password (PRF-2, PRF-5)."""

from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from zoneinfo import available_timezones

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from clients.selectors.detail import ClientDetail, get_client
from core import clock
from core.choices import Channel
from core.database import DATABASE_AWAY
from core.errors import Invalid, NotFound
from core.link_tokens import LinkRefused
from preferences.choices import SettingSource
from preferences.links import LinkExpired, LinkSubject, read_preferences_token, unsubscribe_url
from preferences.rules import wordings
from preferences.selectors.profile import profile_of
from preferences.services.changing import Author, PreferenceChange, change_preferences
from preferences.services.link_actions import ACTOR
from preferences.web.client_pages import broken_link, client_page, ip_of
from preferences.web.forms import PreferencesForm

_STOP_ALL: Final = "stop_all"


# The link itself is the proof that this is the client: nobody else's page can send the form without knowing it.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def centre(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows, POST saves and leads back, so that loading the page again sends nothing twice."""
    try:
        subject = read_preferences_token(token, now=datetime.now(UTC))
    except LinkRefused:
        return broken_link()
    except LinkExpired:
        return client_page("preferences/expired_link.html", status=410)
    try:
        return _answer(request, subject)
    except NotFound:
        return client_page("preferences/nothing_held.html", status=410)
    except DATABASE_AWAY:
        answer = client_page("preferences/try_again.html", status=503)
        answer["Retry-After"] = "60"
        return answer


def _answer(request: HttpRequest, subject: LinkSubject) -> HttpResponse:
    detail, now = get_client(subject.client_id), clock.now()
    if detail.row.erased_at is not None:
        raise NotFound("Erased.")
    profile = profile_of(subject.client_id)
    form = PreferencesForm(profile, now=now, data=request.POST if request.method == "POST" else None)
    if request.method == "POST":
        if _STOP_ALL in request.POST:
            everything = PreferenceChange(opted_out=dict.fromkeys(Channel, True))
            return _save(request, subject, everything, form, detail)
        if form.is_valid():
            return _save(request, subject, form.change(), form, detail)
    return _page(request, subject, form, detail)


def _save(
    request: HttpRequest,
    subject: LinkSubject,
    change: PreferenceChange,
    form: PreferencesForm,
    detail: ClientDetail,
) -> HttpResponse:
    author = Author(SettingSource.CLIENT, ACTOR, wordings.PREFERENCE_CENTRE, ip=ip_of(request))
    try:
        change_preferences(client_id=subject.client_id, change=change, author=author, now=clock.now())
    except Invalid as refused:
        form.is_valid()
        form.take_problems(refused)
        return _page(request, subject, form, detail)
    answer = HttpResponseRedirect(f"{request.path}?saved")
    answer.status_code = 303
    answer["Referrer-Policy"] = "no-referrer"
    return answer


def _page(
    request: HttpRequest, subject: LinkSubject, form: PreferencesForm, detail: ClientDetail
) -> HttpResponse:
    context: dict[str, Any] = {
        "form": form,
        "client": detail.row,
        "contacts": {contact.kind.value: contact for contact in detail.contacts},
        "plans": [plan for plan in detail.plans if plan.event_type or plan.row.event_date],
        "saved": "saved" in request.GET and not form.is_bound,
        "zones": zone_names(),
        "all_closed": not form.open_now,
        "unsubscribe": unsubscribe_url(subject),
    }
    return client_page("preferences/centre.html", context, status=422 if form.errors else 200)


@cache
def zone_names() -> tuple[str, ...]:
    """The zones that people live in, as they are offered."""
    return tuple(
        sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))
    )
