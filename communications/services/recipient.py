"""Whom and what a request is about: client, plan and settings, stored and locked; and what the rules are told."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from clients.addresses import normalise_email, normalise_phone
from clients.choices import CONTACT_KIND_OF
from clients.models import Client, Plan
from clients.services.register import ContactDetails, PlanDetails, register_client, register_plan
from communications.choices import Urgency
from communications.gateway import configured_channels
from communications.rules.context import Context, can_be_read
from communications.rules.facts import ChannelFacts, Facts, PreferenceFacts
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.references import is_address
from communications.selectors.sending import current_contact_points
from communications.services.commands import SubmitCommand
from core.choices import Channel
from core.errors import Conflict, FieldProblem, Invalid
from core.sealing import SecretKey, load_keys, unseal
from preferences.selectors.consent import allowed_channels
from preferences.selectors.effective import EffectivePreferences, effective_of
from preferences.services.profile import ensure_profile


@dataclass(frozen=True)
class Recipient:
    """The client's row is locked until the transaction ends."""

    client: Client
    plan: Plan
    key: SecretKey
    preferences: EffectivePreferences


def contact_details(command: SubmitCommand, context: Context) -> ContactDetails:
    """Names and addresses of a request in their normal form; `client` wins over the context. Raises Invalid."""
    given, region = command.client, settings.CRM_DEFAULT_REGION
    email, email_field = (
        given.email or context.email,
        "client.email" if given.email else "context.client_email",
    )
    phone, phone_field = (
        given.phone or context.phone,
        "client.phone" if given.phone else "context.client_phone",
    )
    name, name_field = (
        given.name or context.client_name,
        "client.name" if given.name else "context.client_name",
    )
    if name and not can_be_read(name):
        name = None
    if name and is_address(name):
        # Names are stored in clear so that staff can search them; addresses never are.
        message = "This looks like an e-mail address or a phone number. Give the client's name."
        raise Invalid([FieldProblem(name_field, "is_an_address", message)])
    return ContactDetails(
        name=name,
        email=normalise_email(email, field=email_field) if email else None,
        phone=normalise_phone(phone, region=region, field=phone_field) if phone else None,
    )


def register(
    *, command: SubmitCommand, context: Context, details: ContactDetails, caller: str, now: datetime
) -> Recipient:
    """Store what the request says of client and plan. Raises Invalid and Conflict, also for an erased client."""
    client = register_client(reference=command.client_reference, details=details, actor=caller, now=now)
    key = load_keys([client.data_key_id]).get(client.data_key_id)
    if key is None:
        raise Conflict(
            "This client was erased and cannot be written to. A new client needs a reference of their own.",
            code="client_erased",
        )
    plan = register_plan(
        reference=command.plan_reference,
        client=client,
        key=key,
        details=PlanDetails(event_type=context.event_type, event_date=context.event_date),
        now=now,
    )
    profile = ensure_profile(client=client, planner_timezone=command.client.timezone, now=now)
    return Recipient(client, plan, key, effective_of(profile, settings.CRM_DEFAULT_TIMEZONE))


def message_values(context: Context, recipient: Recipient) -> dict[str, Any]:
    """What is stored of a context, and all that templates and the sender draw from, in its stored form.

    What the request leaves out is taken from what is known of the client and the plan.
    """
    plan = recipient.plan
    base = {
        "client_name": recipient.client.name or None,
        "event_type": unseal(Plan, "event_type", plan.event_type, recipient.key),
        "event_date": plan.event_date.isoformat() if plan.event_date is not None else None,
        "guest_count": context.guest_count,
        "budget": str(context.budget) if context.budget is not None else None,
        "location": context.location,
    }
    return {**context.variables, **{name: value for name, value in base.items() if value is not None}}


def strategy_facts(command: SubmitCommand, urgency: Urgency, recipient: Recipient, now: datetime) -> Facts:
    """What the strategy is told about a request."""
    client, preferences = recipient.client, recipient.preferences
    points = current_contact_points([client.id])
    allowed, configured = allowed_channels([client.id])[client.id], configured_channels()
    channels = {}
    for channel in Channel:
        point = points.get((client.id, CONTACT_KIND_OF[channel]))
        channels[channel] = ChannelFacts(
            has_contact_point=point is not None,
            consent_allowed=channel in allowed,
            configured=channel in configured,
            undeliverable=point is not None and point.undeliverable_at is not None,
        )
    return Facts(
        rule=MESSAGE_TYPES[command.message_type],
        urgency=urgency,
        now=now,
        zone=preferences.zone,
        channels=channels,
        preferences=PreferenceFacts(
            channels=preferences.chosen_channels,
            quiet_hours=preferences.quiet_hours,
            pause_until=preferences.pause_until,
        ),
        zone_defaulted=preferences.zone_is_default,
        preferred_channel=command.preferred_channel,
        send_at=command.send_at,
        deliver_by=command.deliver_by,
        event_date=recipient.plan.event_date,
    )
