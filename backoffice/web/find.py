"""What the search field offers while somebody types: commands, clients, and the lists to look further in."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from backoffice.rules.commands import SIGN_OUT, Command, commands_for
from backoffice.web.access import StaffRequest, staff_page
from clients.selectors.directory import ClientEntry, list_clients

_SEE_CLIENTS, _SEE_MESSAGES = "clients.view_client", "communications.view_communication"
_MOST_CLIENTS = 6
# Shorter parts of names are answered by no index, and would be asked with every letter.
_SHORTEST_NAME = 3


class FindQuery(forms.Form):
    q = forms.CharField(max_length=320, required=False)


@staff_page(_SEE_CLIENTS, _SEE_MESSAGES, "core.view_attentionitem")
@require_safe
def find(request: StaffRequest) -> HttpResponse:
    """The options of the list under the field; none for what nobody can have meant."""
    form = FindQuery(request.GET)
    text = form.cleaned_data["q"] if form.is_valid() else ""
    context: dict[str, Any] = {"text": text}
    if form.is_valid():
        context |= {
            "commands": [_line(each) for each in commands_for(text, request.user.get_all_permissions())],
            "clients": _clients(request.user, text),
            "lists": _lists(request.user, text) if text else [],
        }
    return render(request, "components/found.html", context)


def _line(command: Command) -> dict[str, Any]:
    address = reverse(command.page)
    return {
        "label": command.label,
        "icon": command.icon,
        "url": f"{address}?{command.query}" if command.query else address,
        "signs_out": command is SIGN_OUT,
    }


def _clients(user: User, text: str) -> list[ClientEntry]:
    if len(text) < _SHORTEST_NAME or not user.has_perm(_SEE_CLIENTS):
        return []
    return list(list_clients(search=text, limit=_MOST_CLIENTS).entries)


def _lists(user: User, text: str) -> list[dict[str, str]]:
    lists = (
        (_SEE_CLIENTS, "All clients with", "clients", "backoffice:clients"),
        (_SEE_MESSAGES, "Messages with", "history", "communications:history"),
    )
    return [
        {"label": label, "icon": icon, "url": f"{reverse(page)}?{urlencode({'q': text})}"}
        for permission, label, icon, page in lists
        if user.has_perm(permission)
    ]
