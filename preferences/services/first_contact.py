"""What the planning agent's requests say of consent: first looked up with their clients, then stored in one COPY."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from clients.choices import CONTACT_KIND_OF, ContactKind
from clients.models import ContactPoint
from clients.services.gate import bump_gate
from core.choices import Channel, Purpose
from core.copying import copy_in
from preferences.choices import ConsentSource, ConsentState
from preferences.models import ConsentEntry
from preferences.rules import wordings
from preferences.rules.consent import Statement
from preferences.selectors.consent import Consent, Said, is_open_by_default


@dataclass(frozen=True, slots=True)
class Introduction:
    """What one request says of its client: the current contact points, those that it brought, and the word on WhatsApp
    (None: nothing)."""

    client_id: UUID
    points: Mapping[ContactKind, ContactPoint]
    added: Sequence[ContactPoint]
    whatsapp_opt_in: bool | None
    is_new: bool


@dataclass(frozen=True, slots=True)
class Introduced:
    """`consent` as it is once it is stored. `opened`: the channels that contact data opens; `whatsapp`: what is new in
    the planner's word on it."""

    introduction: Introduction
    consent: Consent
    opened: Sequence[Channel]
    whatsapp: ConsentState | None = None


def look_up_consents(
    introductions: Sequence[Introduction], *, said: Said, now: datetime
) -> dict[UUID, Introduced]:
    """What holds for these clients, with what is about to be said of them. `said`: what is stored, read while the
    clients are locked."""
    return {each.client_id: _introduced(each, said, now) for each in introductions}


def store_consents(introduced: Sequence[Introduced], *, caller: str, now: datetime) -> None:
    """Write the planner's rows, in the transaction that looked them up and after clients and points are stored."""
    copy_in(ConsentEntry, (row for each in introduced for row in _rows(each, caller, now)))
    changed = [
        each.introduction.client_id
        for each in introduced
        if each.whatsapp is not None and not each.introduction.is_new
    ]
    if changed:
        bump_gate(client_ids=changed)


def _introduced(introduction: Introduction, said: Said, now: datetime) -> Introduced:
    kinds = {ContactKind(point.kind) for point in introduction.added}
    opened = [
        channel for channel in Channel if CONTACT_KIND_OF[channel] in kinds and is_open_by_default(channel)
    ]
    state = _whatsapp(introduction, said)
    if state is None:
        return Introduced(introduction, said.consent_of(introduction.client_id, introduction.points), opened)
    point = introduction.points[ContactKind.PHONE]
    more = {Channel.WHATSAPP: [Statement(state, ConsentSource.PLANNER, now, point.id)]}
    consent = said.consent_of(introduction.client_id, introduction.points, more=more)
    return Introduced(introduction, consent, opened, state)


def _whatsapp(introduction: Introduction, said: Said) -> ConsentState | None:
    """What is new in the planner's word on WhatsApp; None: nothing.

    Saying again what holds adds nothing. "No" takes back the planner's own "yes" and never what the client granted.
    """
    opt_in, point = introduction.whatsapp_opt_in, introduction.points.get(ContactKind.PHONE)
    if opt_in is None or point is None:
        return None
    known = said.statements.get((introduction.client_id, Channel.WHATSAPP), ())
    own = [each for each in known if each.is_planners and each.contact_point_id == point.id]
    last = max(own, key=lambda each: (each.occurred_at, each.entry_id or 0), default=None)
    if opt_in:
        return None if last is not None and last.state is ConsentState.GRANTED else ConsentState.GRANTED
    decision = said.consent_of(introduction.client_id, introduction.points).decisions[Channel.WHATSAPP]
    granted_by_planner = decision.is_open and (decision.by is None or decision.by.is_planners)
    return ConsentState.OPTED_OUT if granted_by_planner else None


def _rows(introduced: Introduced, caller: str, now: datetime) -> Iterator[dict[str, Any]]:
    introduction = introduced.introduction
    row = {
        "client_id": introduction.client_id,
        "purpose": Purpose.SERVICE.value,
        "source": ConsentSource.PLANNER.value,
        "actor": caller,
        "occurred_at": now,
        "recorded_at": now,
    }
    for channel in introduced.opened:
        yield row | {
            "contact_point_id": introduction.points[CONTACT_KIND_OF[channel]].id,
            "channel": channel.value,
            "state": ConsentState.GRANTED.value,
            "is_default": True,
            "wording": wordings.CONTACT_DATA,
        }
    if introduced.whatsapp is not None:
        yield row | {
            "contact_point_id": introduction.points[ContactKind.PHONE].id,
            "channel": Channel.WHATSAPP.value,
            "state": introduced.whatsapp.value,
            "wording": wordings.PLANNER_WHATSAPP,
        }
