"""What is known about a message when it is composed, and the values that a template may print.

Only declared variables and the engine's own leave this module: whatever else a context holds cannot reach a
client, whichever template is used.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from communications.agents.logo import logo
from communications.agents.rendering import compiled
from communications.choices import MessageType
from communications.models.template import TemplateVersion
from communications.rules.generic_wording import Wording, wording_of
from communications.rules.shapes import read_shape
from communications.rules.template_rules import Variable, WrongShapeError, fit
from communications.rules.text import one_line, printable

DEFAULT_EVENT = "event"
# Written out: a library that knows every language takes as long for this line as the rest of a template.
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True)
class MessageFacts:
    """`zone` is the client's IANA zone; `variables` the normalised context; `requested_at` aware.

    `client_name`, `event_type` and `event_date` win over what the context says of them.
    """

    message_type: str
    client_name: str
    plan_reference: str
    zone: str
    event_type: str | None
    event_date: date | None
    variables: Mapping[str, Any]
    requested_at: datetime


def event_words(facts: MessageFacts) -> str:
    """The kind of event as it stands in a sentence: `birthday_party` is read as birthday party."""
    return one_line((facts.event_type or "").replace("_", " ")) or DEFAULT_EVENT


@lru_cache(maxsize=1024)
def local_time(instant: datetime, zone: str) -> str:
    """Wall-clock time with its zone named: Sat 21 Nov 2026, 14:30 (Asia/Kolkata)."""
    local = instant.astimezone(ZoneInfo(zone))
    day, month = _DAYS[local.weekday()], _MONTHS[local.month - 1]
    return f"{day} {local.day} {month} {local.year}, {local:%H:%M} ({zone})"


def support_address() -> str:
    """Where a client can write to: support, else the address that the mail comes from."""
    address: str = settings.CRM_SUPPORT_EMAIL or settings.SMTP_FROM_EMAIL
    return address


def wording_for(facts: MessageFacts) -> Wording:
    """Headline and paragraphs of a message without a template of its own; a custom one brings its own."""
    if facts.message_type == MessageType.DIGEST:
        return _digest_wording(facts)
    wording = wording_of(facts.message_type, event=event_words(facts))
    if facts.message_type != MessageType.CUSTOM:
        return wording
    subject, message = facts.variables.get("subject"), facts.variables.get("message")
    headline = one_line(subject) if isinstance(subject, str) else ""
    paragraphs = _paragraphs(message) if isinstance(message, str) else ()
    return Wording(headline=headline or wording.headline, paragraphs=paragraphs or wording.paragraphs)


def digest_items(facts: MessageFacts) -> list[dict[str, Any]]:
    """What a digest brings together, each with its headline and paragraphs; nothing for any other message."""
    if facts.message_type != MessageType.DIGEST:
        return []
    return [
        {
            "headline": one_line(item["headline"]),
            "paragraphs": [printable(paragraph) for paragraph in item["paragraphs"]],
        }
        for item in facts.variables.get("items") or ()
    ]


def _digest_wording(facts: MessageFacts) -> Wording:
    """Whatever template a digest goes out by, nothing of it is lost."""
    items = digest_items(facts)
    told = (part for item in items for part in (item["headline"], *item["paragraphs"]))
    return Wording(f"{len(items)} updates about your {event_words(facts)}", tuple(told))


def _paragraphs(text: str) -> tuple[str, ...]:
    parts = re.split(r"\n\s*\n", printable(text))
    return tuple(part.strip() for part in parts if part.strip())


def template_values(version: TemplateVersion, facts: MessageFacts) -> dict[str, Any]:
    """Every name that the version's parts may use.

    Raises WrongShapeError when the context holds something that cannot be printed. An optional variable
    without a value and without a default is the empty text, for `{% if %}` to see.
    """
    values: dict[str, Any] = {"event_type": event_words(facts)}
    values |= {variable.name: _value(variable, facts) for variable in compiled(version).variables}
    wording = wording_for(facts)
    currency = facts.variables.get("currency")
    return values | {
        "company_name": settings.CRM_COMPANY_NAME,
        "currency": currency if _is_currency(currency) else settings.CRM_DEFAULT_CURRENCY,
        "headline": wording.headline,
        "digest_items": digest_items(facts),
        "logo": logo() is not None,
        "paragraphs": wording.paragraphs,
        "plan_id": one_line(facts.plan_reference),
        "postal_address": settings.CRM_POSTAL_ADDRESS,
        "requested_at": local_time(facts.requested_at, facts.zone),
        "support_email": support_address(),
        "time_zone": facts.zone,
    }


def _is_currency(value: object) -> bool:
    return isinstance(value, str) and _CURRENCY.fullmatch(value) is not None


def _value(variable: Variable, facts: MessageFacts) -> object:
    if variable.shape:
        value, problems = read_shape(variable.shape, facts.variables, name=variable.name)
        if problems:
            raise WrongShapeError(f"{variable.name} cannot be read.")
        return () if value is None else value
    if variable.name == "client_name":
        given: object = facts.client_name
    elif variable.name == "event_type":
        given = event_words(facts) if facts.event_type else None
    elif variable.name == "event_date":
        given = facts.event_date
    else:
        given = facts.variables.get(variable.name)
    fitted = fit(variable, given)
    if fitted is None:
        return variable.default
    if isinstance(fitted, list):
        return [one_line(item) for item in fitted]
    return one_line(fitted) if isinstance(fitted, str) else fitted
