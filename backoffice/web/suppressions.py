"""Suppressions: addresses that are not to be written to, why and since when. Adding, a file in and out, releasing."""

from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from backoffice.web.access import StaffRequest, actor_of, staff_page
from backoffice.web.queries import UNREADABLE, read_query
from core import clock
from core.choices import Channel
from core.errors import Conflict, Invalid, NotFound
from preferences.choices import CHANNEL_LABELS, ReleaseReason, SuppressionReason
from preferences.selectors.suppressions import (
    SuppressionFilters,
    SuppressionPage,
    get_suppression,
    list_suppressions,
)
from preferences.services.suppression import release as release_suppression
from preferences.services.suppression_lists import export_lines, import_list, suppress_address

_SEE: Final = "preferences.view_suppression"
_ADD: Final = "preferences.add_suppression"
_RELEASE: Final = "preferences.change_suppression"
_EXPORT: Final = "preferences.export_suppression"
_PAGE: Final = 50
_MAX_FILE_BYTES: Final = 20 * 1_048_576

_CHANNELS: Final = [(channel.value, CHANNEL_LABELS[channel]) for channel in Channel]
_REASONS: Final = [(reason.value, reason.label) for reason in SuppressionReason]
# Staff do not erase by this form, and opting in again is the client's own.
_GIVEN_REASONS: Final = [pair for pair in _REASONS if pair[0] != SuppressionReason.ERASED]
_RELEASE_REASONS: Final = [
    (reason.value, reason.label) for reason in ReleaseReason if reason is not ReleaseReason.OPTED_IN_AGAIN
]


class SuppressionQuery(forms.Form):
    q = forms.CharField(max_length=320, required=False, label="Address")
    channel = forms.ChoiceField(choices=[("", "All"), *_CHANNELS], required=False)
    reason = forms.ChoiceField(choices=[("", "All"), *_REASONS], required=False)
    show = forms.ChoiceField(choices=[("", "Not to be written to"), ("released", "Released")], required=False)
    cursor = forms.UUIDField(required=False, widget=forms.HiddenInput)


class SuppressForm(forms.Form):
    address = forms.CharField(
        max_length=320, label="Address or number", help_text="A phone number with its country code."
    )
    channels = forms.MultipleChoiceField(
        choices=_CHANNELS,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="On",
        help_text="Left open: on everything that the address is good for.",
    )
    reason = forms.ChoiceField(choices=_GIVEN_REASONS, initial=SuppressionReason.DO_NOT_CONTACT, label="Why")


class ImportForm(forms.Form):
    file = forms.FileField(
        label="CSV file",
        help_text="An address on each line, or columns named address, channel, reason, since. All of it is taken or "
        "nothing.",
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > _MAX_FILE_BYTES:
            raise forms.ValidationError("The file is larger than 20 MB. Cut it in parts.")
        return file


class ReleaseForm(forms.Form):
    reason = forms.ChoiceField(choices=[("", "Choose a reason"), *_RELEASE_REASONS], label="Why")


@staff_page(_SEE)
@require_safe
def suppressions(request: StaffRequest) -> HttpResponse:
    return _list(request)


@staff_page(_ADD)
@require_POST
def add(request: StaffRequest) -> HttpResponse:
    form = SuppressForm(request.POST)
    if not form.is_valid():
        return _list(request, suppress_form=form, status=400)
    wished = [Channel(name) for name in form.cleaned_data["channels"]]
    address = form.cleaned_data["address"]
    try:
        done = suppress_address(
            address=address,
            channels=wished or _channels_for(address),
            reason=SuppressionReason(form.cleaned_data["reason"]),
            actor=actor_of(request.user),
            now=clock.now(),
        )
    except Invalid as refused:
        for problem in refused.problems:
            form.add_error("channels" if problem.field == "channel" else "address", problem.message)
        return _list(request, suppress_form=form, status=400)
    messages.success(
        request,
        "Nothing is sent there from now on." if done.added else "This address was on the list already.",
    )
    return redirect("backoffice:suppressions")


@staff_page(_ADD)
@require_POST
def take_in(request: StaffRequest) -> HttpResponse:
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        return _list(request, import_form=form, status=400)
    try:
        done = import_list(
            content=form.cleaned_data["file"].read(), actor=actor_of(request.user), now=clock.now()
        )
    except Invalid as refused:
        return _list(request, import_form=form, problems=refused, status=400)
    already = f", {done.already:,} were on the list already" if done.already else ""
    messages.success(request, f"{done.added:,} added{already}.")
    return redirect("backoffice:suppressions")


@staff_page(_EXPORT)
@require_POST
def export(request: StaffRequest) -> HttpResponseBase:
    """A form that is sent, not a link: following links must not carry addresses out."""
    lines = export_lines(actor=actor_of(request.user), now=clock.now())
    return StreamingHttpResponse(
        lines,
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": 'attachment; filename="suppressions.csv"',
            "Cache-Control": "no-store",
        },
    )


@staff_page(_RELEASE)
@require_http_methods(["GET", "HEAD", "POST"])
def release(request: StaffRequest, suppression_id: UUID) -> HttpResponse:
    """GET asks for the reason, POST releases."""
    line = get_suppression(suppression_id)
    if line is None:
        raise Http404
    form = ReleaseForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        context = {"line": line, "form": form}
        return render(
            request, "backoffice/release.html", context, status=400 if request.method == "POST" else 200
        )
    try:
        release_suppression(
            suppression_id=suppression_id,
            reason=ReleaseReason(form.cleaned_data["reason"]),
            actor=actor_of(request.user),
            now=clock.now(),
        )
    except NotFound as error:
        raise Http404 from error
    except Conflict as conflict:
        messages.info(request, conflict.detail)
    else:
        messages.success(request, "Released. What its clients allow themselves holds again.")
    return redirect("backoffice:suppressions")


def _channels_for(address: str) -> list[Channel]:
    return [Channel.EMAIL] if "@" in address else [Channel.SMS, Channel.WHATSAPP]


def _list(
    request: StaffRequest,
    *,
    suppress_form: SuppressForm | None = None,
    import_form: ImportForm | None = None,
    problems: Invalid | None = None,
    status: int = 200,
) -> HttpResponse:
    query = read_query(request, SuppressionQuery)
    filters = SuppressionFilters(
        address=query["q"] or "",
        channel=Channel(query["channel"]) if query["channel"] else None,
        reason=SuppressionReason(query["reason"]) if query["reason"] else None,
        released=query["show"] == "released",
    )
    context = {
        "page": _page(request, filters, query["cursor"]),
        "filters": SuppressionQuery(initial={**query, "cursor": None}),
        "is_filtered": any(query[name] for name in ("q", "channel", "reason")),
        "released": filters.released,
        "is_first": query["cursor"] is None,
        "suppress_form": suppress_form or SuppressForm(),
        "import_form": import_form or ImportForm(),
        "problems": problems,
        "may_add": request.user.has_perm(_ADD),
        "may_release": request.user.has_perm(_RELEASE),
        "may_export": request.user.has_perm(_EXPORT),
    }
    return render(request, "backoffice/suppressions.html", context, status=status)


def _page(request: StaffRequest, filters: SuppressionFilters, after: UUID | None) -> SuppressionPage:
    try:
        return list_suppressions(filters, after=after, limit=_PAGE)
    except Invalid:
        messages.warning(request, UNREADABLE)
        return list_suppressions(filters, limit=_PAGE)
