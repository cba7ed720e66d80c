"""Turns a communication into what a phone shows: one segment by SMS, a little more by WhatsApp (MSG-1 to MSG-6).

The texts are files, `content/sms/*.txt` and `content/whatsapp/*.txt`, one for each message type. An SMS file holds the
same text several times, the wordiest first, parted by lines of `---`: the first that goes into one segment is sent.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.template import Template

from communications.agents.email import RENDERING_FAILED, TEMPLATE_MISSING, ComposedText
from communications.agents.facts import (
    MessageFacts,
    digest_items,
    event_words,
    support_address,
    wording_for,
)
from communications.agents.rendering import UnresolvedVariableError, compile_source, fill
from communications.choices import MessageType
from communications.rules import segments
from communications.rules.text import one_line
from core.choices import Channel
from core.logs import get_logger

GENERIC: Final = "generic"
VALUE_NAMES: Final = frozenset(
    {
        "client_name",
        "company_name",
        "digest_items",
        "event",
        "headline",
        "link",
        "message",
        "paragraphs",
        "support_email",
    }
)
"""All that a text for phones may use."""

_CONTENT: Final = Path(__file__).resolve().parent.parent / "content"
_OR_SHORTER: Final = re.compile(r"^---\n", re.MULTILINE)
_LONGEST_WHATSAPP: Final = 4096
_LONGEST_LINK: Final = 120
# Under which names callers give the address where a message's matter is: the most particular first.
_LINK_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    MessageType.BUDGET_SUMMARY: ("budget_url", "budget_link"),
    MessageType.VENDOR_OPTIONS: ("selection_url", "selection_link", "secure_link", "options_url"),
    MessageType.BLUEPRINT_DELIVERY: ("download_url", "download_link", "blueprint_url", "blueprint_link"),
    MessageType.REMINDER: ("selection_url", "selection_link"),
}
_ANY_LINK: Final = ("link", "url", "portal_url", "plan_url")

log = get_logger("messaging")


def compose_message(facts: MessageFacts, channel: Channel) -> ComposedText:
    """The text for SMS or WhatsApp. Never fails: the worst case is a short safe text."""
    texts, degraded = _texts(channel, facts.message_type), ""
    if texts is None:
        texts, degraded = _texts(channel, GENERIC), TEMPLATE_MISSING
        log.warning("template missing", message_type=facts.message_type, channel=channel)
    link = link_of(facts)
    try:
        values = _values(facts, link)
        filled = [fill(text, values, escape=False) for text in texts or ()]
        text = _shaped(filled, channel, link)
    except Exception as error:  # whatever a template does, the message goes out
        code = "unresolved_variable" if isinstance(error, UnresolvedVariableError) else type(error).__name__
        log.error(
            "template rendering failed", error_code=code, message_type=facts.message_type, channel=channel
        )
        text, degraded = _safe_text(facts, channel, link), RENDERING_FAILED
    subject = one_line(wording_for(facts).headline)
    return ComposedText(subject=subject, preview=one_line(text)[:140], text=text, degraded=degraded)


def link_of(facts: MessageFacts) -> str:
    """The caller's address for the matter of this message; empty when there is none that a message can carry."""
    for name in (*_LINK_NAMES.get(facts.message_type, ()), *_ANY_LINK):
        value = facts.variables.get(name)
        if isinstance(value, str) and _can_be_carried(value.strip()):
            return value.strip()
    return ""


def _can_be_carried(link: str) -> bool:
    if len(link) > _LONGEST_LINK or not segments.is_gsm(link) or len(link.split()) != 1:
        return False
    try:
        parts = urlsplit(link)
    except ValueError:
        return False
    return parts.scheme in {"https", "http"} and bool(parts.hostname)


def _values(facts: MessageFacts, link: str) -> dict[str, Any]:
    wording = wording_for(facts)
    return {
        "client_name": one_line(facts.client_name),
        "company_name": settings.CRM_COMPANY_NAME,
        "digest_items": digest_items(facts),
        "event": event_words(facts),
        "headline": wording.headline,
        "link": link,
        "message": "\n\n".join(wording.paragraphs),
        "paragraphs": wording.paragraphs,
        "support_email": support_address(),
    }


def _shaped(filled: list[str], channel: Channel, link: str) -> str:
    if channel is Channel.SMS:
        return segments.fit(filled, link=link)
    text = filled[0].strip()
    return (
        text if len(text) <= _LONGEST_WHATSAPP else text[: _LONGEST_WHATSAPP - 3].rsplit(None, 1)[0] + "..."
    )


def _safe_text(facts: MessageFacts, channel: Channel, link: str) -> str:
    """Uses nothing of the context but a custom message's own words."""
    wording = wording_for(facts)
    said = (
        wording.headline if channel is Channel.SMS else "\n\n".join((wording.headline, *wording.paragraphs))
    )
    return _shaped([f"{settings.CRM_COMPANY_NAME}: {said}", said], channel, link)


@cache
def _texts(channel: Channel, name: str) -> tuple[Template, ...] | None:
    """The compiled texts of a type, None where it has no file. Files are part of the program and never change."""
    path = _CONTENT / channel.value / f"{name}.txt"
    if not re.fullmatch(r"[a-z_]+", name) or not path.is_file():
        return None
    return tuple(compile_source(part.strip("\n")) for part in _OR_SHORTER.split(path.read_text("utf-8")))
