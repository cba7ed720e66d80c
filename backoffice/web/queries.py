"""What the addresses of the lists may hold. Nonsense is told and left aside: the page is shown from the start."""

from typing import Any

from django import forms
from django.contrib import messages

from backoffice.web.access import StaffRequest
from clients.selectors.directory import ClientOrder

UNREADABLE = "Part of this page's address could not be read, so it was left out."


class ClientQuery(forms.Form):
    q = forms.CharField(max_length=320, required=False)
    order = forms.ChoiceField(choices=[(order.value, order.value) for order in ClientOrder], required=False)
    cursor = forms.UUIDField(required=False)


class AttentionQuery(forms.Form):
    show = forms.ChoiceField(choices=[("open", "open"), ("resolved", "resolved")], required=False)
    cursor = forms.UUIDField(required=False)


class TimelineQuery(forms.Form):
    cursor = forms.CharField(max_length=500, required=False)


def read_query(request: StaffRequest, form_class: type[forms.Form]) -> dict[str, Any]:
    """The readable values of the address; the others are None, and the page says so."""
    form = form_class(request.GET)
    if not form.is_valid():
        messages.warning(request, UNREADABLE)
    return {name: form.cleaned_data.get(name) or None for name in form.fields}
