"""The strategy that a request would get, told without accepting it: nothing is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings

from clients.addresses import address_index
from clients.choices import ContactKind
from clients.models import ContactPoint
from clients.services.register import ContactDetails
from communications.rules.context import normalise_context
from communications.rules.strategy import Strategy, decide
from communications.selectors.preview_facts import KnownRecipient, known_recipient
from communications.services.commands import SubmitCommand
from communications.services.recipient import contact_details
from communications.services.strategy_facts import Known, asked_by, facts_of
from core.errors import FieldProblem, Invalid
from preferences.choices import SettingSource
from preferences.rules.windows import parse_zone
from preferences.selectors.consent import Consent, load_said
from preferences.selectors.effective import EffectivePreferences, effective_of
from preferences.services.first_contact import Introduction, look_up_consents


@dataclass(frozen=True)
class Preview:
    """`zone`: the client's, in which local times are told."""

    strategy: Strategy
    zone: ZoneInfo


def preview_strategy(*, command: SubmitCommand, now: datetime) -> Preview:
    """What `submit` would decide at `now`, for a request that is no repeat. What the request says of the client counts
    as if it were stored. Raises Invalid (fields named) and Conflict, as `submit` does."""
    context = normalise_context(command.context, plan_reference=command.plan_reference)
    details = contact_details(command, context)
    known = known_recipient(
        client_reference=command.client_reference, plan_reference=command.plan_reference, now=now
    )
    preferences = _preferences(known, command.client.timezone)
    consent = _consent(known, details, command.client.whatsapp_opt_in, now)
    told = Known(
        points=_points(known, details),
        allowed=consent.allowed,
        suppressed=consent.suppressed,
        preferences=preferences,
        activity=known.activity,
        event_date=context.event_date or known.event_date,
        erased=known.is_erased,
    )
    facts = facts_of(asked_by(command), told, now)
    return Preview(decide(facts), preferences.zone)


def _consent(
    known: KnownRecipient, details: ContactDetails, whatsapp_opt_in: bool | None, now: datetime
) -> Consent:
    """As it would be with the addresses and the word on WhatsApp that the request brings."""
    points, added = dict(known.contact_points), []
    for kind, address in ((ContactKind.EMAIL, details.email), (ContactKind.PHONE, details.phone)):
        index = address_index(address, kind=kind) if address else None
        if index is not None and (kind not in points or points[kind].address_index != index):
            points[kind] = ContactPoint(client_id=known.client_id, kind=kind, address_index=index)
            added.append(points[kind])
    introduction = Introduction(known.client_id, points, added, whatsapp_opt_in, is_new=False)
    said = load_said([known.client_id], points.values())
    return look_up_consents([introduction], said=said, now=now)[known.client_id].consent


def _preferences(known: KnownRecipient, planner_timezone: str | None) -> EffectivePreferences:
    effective = effective_of(known.preferences, settings.CRM_DEFAULT_TIMEZONE)
    source = known.preferences.timezone_source if known.preferences is not None else ""
    if planner_timezone and source in {"", SettingSource.PLANNER}:
        return replace(effective, zone=parse_zone(planner_timezone), zone_is_default=False)
    return effective


def _points(known: KnownRecipient, details: ContactDetails) -> dict[ContactKind, bool]:
    given = {ContactKind.EMAIL: details.email, ContactKind.PHONE: details.phone}
    if not known.is_erased and not known.contact_points and not any(given.values()):
        message = "This client is not known yet: give an e-mail address or a phone number."
        raise Invalid([FieldProblem("client", "unknown_client", message)])
    return {
        kind: _is_undeliverable(known, given, kind)
        for kind in ContactKind
        if given.get(kind) or kind in known.contact_points
    }


def _is_undeliverable(
    known: KnownRecipient, given: Mapping[ContactKind, str | None], kind: ContactKind
) -> bool:
    """A new address takes the place of the marked one."""
    point, address = known.contact_points.get(kind), given.get(kind)
    if point is None or point.undeliverable_at is None:
        return False
    return not address or address_index(address, kind=kind) == point.address_index
