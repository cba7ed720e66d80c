"""Unsubscribing with one click (RFC 8058): POST acts, GET and HEAD ask and change nothing. No cookie, no redirect."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from core.choices import Channel
from core.database import DATABASE_AWAY
from core.errors import Unavailable
from core.link_tokens import LinkRefused
from preferences.choices import CHANNEL_LABELS, ConsentState
from preferences.links import LinkSubject, preferences_url, read_unsubscribe_token
from preferences.selectors.link_subjects import describe_subject
from preferences.services.link_actions import LinkAction, obey
from preferences.web.client_pages import broken_link, client_page, ip_of

_FIELD: Final = "List-Unsubscribe"
_ONE_CLICK: Final = "One-Click"
_AGAIN: Final = "Again"


@dataclass(frozen=True)
class _Words:
    """How the page names what it is about. `address` is masked, empty where it is not known any more."""

    channel: str
    plural: str
    address: str


_PLURALS: Final = {Channel.EMAIL: "e-mails", Channel.SMS: "SMS", Channel.WHATSAPP: "WhatsApp messages"}


# The link itself is the proof that this is the client's wish; mail programs post without cookies.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    try:
        subject = read_unsubscribe_token(token)
    except LinkRefused:
        return broken_link()
    wish = _wish(request) if request.method == "POST" else None
    if request.method == "POST" and wish is None:
        return _page(subject, "preferences/unsubscribe.html", status=400)
    if wish is None:
        return _page(subject, "preferences/unsubscribe.html")
    try:
        obey(LinkAction(subject, wish, ip_of(request)))
    except (*DATABASE_AWAY, Unavailable):
        answer = client_page("preferences/try_again.html", status=503)
        answer["Retry-After"] = "60"
        return answer
    done = "unsubscribed" if wish is ConsentState.OPTED_OUT else "subscribed"
    return _page(subject, f"preferences/{done}.html")


def _wish(request: HttpRequest) -> ConsentState | None:
    """RFC 8058 has the body `List-Unsubscribe=One-Click`; the button of our page sends the same. None: neither."""
    try:
        said = request.POST.get(_FIELD)
    except (MultiPartParserError, BadRequest, UnicodeError):
        return None
    return {_ONE_CLICK: ConsentState.OPTED_OUT, _AGAIN: ConsentState.GRANTED}.get(said or "")


def _page(subject: LinkSubject, template: str, *, status: int = 200) -> HttpResponse:
    try:
        known = describe_subject(subject)
    except DATABASE_AWAY:
        known = None
    words = _Words(
        channel=CHANNEL_LABELS[subject.channel],
        plural=_PLURALS[subject.channel],
        address=known.address if known is not None else "",
    )
    context = {
        "words": words,
        "is_open": known is None or known.is_open,
        "preferences": preferences_url(subject, now=datetime.now(UTC)),
    }
    return client_page(template, context, status=status)
