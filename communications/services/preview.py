"""The strategy that a request would get, told without accepting it: nothing is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings

from clients.addresses import address_index
from clients.choices import CONTACT_KIND_OF, ContactKind
from clients.services.register import ContactDetails
from communications.gateway import configured_channels
from communications.rules.context import normalise_context
from communications.rules.facts import ChannelFacts, Facts, PreferenceFacts
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.strategy import Strategy, decide
from communications.selectors.preview_facts import KnownRecipient, known_recipient
from communications.services.commands import SubmitCommand
from communications.services.recipient import contact_details
from core.choices import Channel
from core.errors import FieldProblem, Invalid
from preferences.choices import SettingSource
from preferences.rules.windows import parse_zone
from preferences.selectors.effective import EffectivePreferences, effective_of


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
    known = known_recipient(client_reference=command.client_reference, plan_reference=command.plan_reference)
    preferences = _preferences(known, command.client.timezone)
    rule = MESSAGE_TYPES[command.message_type]
    facts = Facts(
        rule=rule,
        urgency=command.urgency or rule.urgency,
        now=now,
        zone=preferences.zone,
        channels=_channels(known, details),
        preferences=PreferenceFacts(
            channels=preferences.chosen_channels,
            quiet_hours=preferences.quiet_hours,
            pause_until=preferences.pause_until,
        ),
        zone_defaulted=preferences.zone_is_default,
        preferred_channel=command.preferred_channel,
        send_at=command.send_at,
        deliver_by=command.deliver_by,
        event_date=context.event_date or known.event_date,
        client_erased=known.is_erased,
    )
    return Preview(decide(facts), preferences.zone)


def _preferences(known: KnownRecipient, planner_timezone: str | None) -> EffectivePreferences:
    effective = effective_of(known.preferences, settings.CRM_DEFAULT_TIMEZONE)
    source = known.preferences.timezone_source if known.preferences is not None else ""
    if planner_timezone and source in {"", SettingSource.PLANNER}:
        return replace(effective, zone=parse_zone(planner_timezone), zone_is_default=False)
    return effective


def _channels(known: KnownRecipient, details: ContactDetails) -> dict[Channel, ChannelFacts]:
    given = {ContactKind.EMAIL: details.email, ContactKind.PHONE: details.phone}
    if not known.is_erased and not known.contact_points and not any(given.values()):
        message = "This client is not known yet: give an e-mail address or a phone number."
        raise Invalid([FieldProblem("client", "unknown_client", message)])
    configured = configured_channels()
    return {
        channel: ChannelFacts(
            has_contact_point=bool(given.get(kind)) or kind in known.contact_points,
            consent_allowed=channel in known.allowed_channels,
            configured=channel in configured,
            undeliverable=_is_undeliverable(known, given, kind),
        )
        for channel, kind in CONTACT_KIND_OF.items()
    }


def _is_undeliverable(
    known: KnownRecipient, given: Mapping[ContactKind, str | None], kind: ContactKind
) -> bool:
    """A new address takes the place of the marked one."""
    point, address = known.contact_points.get(kind), given.get(kind)
    if point is None or point.undeliverable_at is None:
        return False
    return not address or address_index(address, kind=kind) == point.address_index
