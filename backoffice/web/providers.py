"""Providers, and the pause switches. Pausing and resuming ask once, naming the consequence."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from backoffice.rules.pause_words import pause_words
from backoffice.selectors.providers import list_pauses, list_providers
from backoffice.web.access import StaffRequest, actor_of, staff_page
from communications.choices import PauseScope
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.reasons import CHANNEL_WORDS
from communications.services import pauses
from core import clock
from core.choices import Channel
from core.errors import Conflict, Invalid, NotFound

_SEE, _PAUSE, _LIFT = "communications.view_pause", "communications.add_pause", "communications.change_pause"


class PauseForm(forms.Form):
    """A hidden choice, and the one thing that is asked for."""

    scope = forms.ChoiceField(choices=[(scope.value, scope.value) for scope in PauseScope])
    value = forms.CharField(max_length=64, required=False)
    reason = forms.CharField(
        max_length=pauses.MAX_REASON,
        required=False,
        label="Why",
        help_text="For colleagues, on every page. Leave names, addresses and numbers out: it is kept for good.",
    )


@staff_page(_SEE)
@require_safe
def providers(request: StaffRequest) -> HttpResponse:
    held = list_pauses()
    paused = {(line.row.scope, line.row.value) for line in held}
    context: dict[str, Any] = {
        "providers": list_providers(now=clock.now()),
        "pauses": held,
        "everything_paused": (PauseScope.EVERYTHING.value, "") in paused,
        "channels": [
            (channel.value, CHANNEL_WORDS[channel])
            for channel in Channel
            if (PauseScope.CHANNEL.value, channel.value) not in paused
        ],
        "message_types": [(kind.value, rule.label) for kind, rule in MESSAGE_TYPES.items()],
        "may_pause": request.user.has_perm(_PAUSE),
        "may_lift": request.user.has_perm(_LIFT),
    }
    return render(request, "backoffice/providers.html", context)


@staff_page(_PAUSE)
@require_http_methods(["GET", "HEAD", "POST"])
def pause(request: StaffRequest) -> HttpResponse:
    """GET asks, POST pauses. What cannot be paused leads back with a sentence."""
    form = PauseForm(request.POST if request.method == "POST" else request.GET)
    if not form.is_valid():
        return (
            _ask(request, form)
            if _only_reason(form)
            else _back(request, "Choose what to pause from the page.")
        )
    wish = form.cleaned_data | {"scope": PauseScope(form.cleaned_data["scope"])}
    try:
        if request.method != "POST":
            pauses.check_wish(**wish)
            return _ask(request, PauseForm(initial=wish), wish)
        paused = pauses.pause(**wish, actor=actor_of(request.user), now=clock.now())
    except Invalid as refused:
        if [problem.field for problem in refused.problems] != ["reason"]:
            return _back(request, refused.problems[0].message)
        form.add_error("reason", refused.problems[0].message)
        return _ask(request, form, wish)
    state = pause_words(wish["scope"], wish["value"]).state
    messages.success(request, f"{state}." if paused.created else f"{state} already.")
    return redirect("backoffice:providers")


@staff_page(_LIFT)
@require_http_methods(["GET", "HEAD", "POST"])
def lift(request: StaffRequest, pause_id: UUID) -> HttpResponse:
    """GET asks, POST lets go on."""
    found = next((line for line in list_pauses() if line.row.id == pause_id), None)
    if request.method != "POST":
        if found is None:
            raise Http404
        return render(request, "backoffice/lift_pause.html", {"line": found})
    try:
        lifted = pauses.lift(pause_id=pause_id, actor=actor_of(request.user), now=clock.now())
    except NotFound as error:
        raise Http404 from error
    except Conflict:
        messages.info(request, "Somebody resumed it already.")
    else:
        what = pause_words(PauseScope(lifted.scope), lifted.value).what
        messages.success(request, f"Resumed {what}. What waited goes out now.")
    return redirect("backoffice:providers")


def _only_reason(form: PauseForm) -> bool:
    return set(form.errors) == {"reason"}


def _ask(request: StaffRequest, form: PauseForm, wish: dict[str, Any] | None = None) -> HttpResponse:
    wish = wish or {"scope": PauseScope(form.cleaned_data["scope"]), "value": form.cleaned_data["value"]}
    context = {"form": form, "wish": wish, "words": pause_words(wish["scope"], wish["value"])}
    return render(request, "backoffice/pause.html", context)


def _back(request: StaffRequest, sentence: str) -> HttpResponse:
    messages.error(request, sentence)
    return redirect("backoffice:providers")
