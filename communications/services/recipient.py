"""Whom and what requests are about: client, plan and settings, locked and stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from clients.addresses import address_index, normalise_email, normalise_phone
from clients.choices import ContactKind
from clients.models import Client, Plan
from clients.references import is_address
from clients.services import register
from clients.services.register import ContactDetails, PlanDetails, Registered, Registration
from communications.rules.context import Context, can_be_read
from communications.selectors.activity import Activity
from communications.services.commands import SubmitCommand
from communications.services.strategy_facts import Known
from core import audit
from core.errors import Conflict, FieldProblem, Invalid
from core.pipelines import Query, Rows
from core.sealing import SecretKey
from preferences.selectors.consent import read_said, said_query
from preferences.selectors.effective import EffectivePreferences, effective_of
from preferences.services.first_contact import (
    Introduced,
    Introduction,
    look_up_consents,
    store_consents,
)
from preferences.services.profile import Profile, look_up_profiles, store_profiles


@dataclass(frozen=True, slots=True)
class Recipient:
    """Client, plan and settings as they are once stored. The client's row is locked until the transaction ends."""

    registered: Registered
    profile: Profile
    preferences: EffectivePreferences
    introduced: Introduced

    @property
    def client(self) -> Client:
        return self.registered.client

    @property
    def plan(self) -> Plan:
        return self.registered.plan

    @property
    def key(self) -> SecretKey:
        return self.registered.key


@dataclass(frozen=True, slots=True)
class ToRegister:
    """What a request says of whom it is for."""

    command: SubmitCommand
    context: Context
    details: ContactDetails


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


def look_up(
    said: Sequence[ToRegister], *, now: datetime, along: Sequence[Query] = ()
) -> tuple[list[Recipient | Invalid | Conflict], list[Rows]]:
    """Whom each is for, or why it is refused; nothing is stored yet. No two may share a client or a plan.

    `along`: other queries, which travel with the first; their rows are returned too.
    """
    registered, (said_of, *others) = register.look_up(
        [
            Registration(
                client_reference=each.command.client_reference,
                plan_reference=each.command.plan_reference,
                contact=each.details,
                plan=PlanDetails(event_type=each.context.event_type, event_date=each.context.event_date),
            )
            for each in said
        ],
        now=now,
        along=[_what_was_said(said), *along],
    )
    accepted = [
        (each.command, result)
        for each, result in zip(said, registered, strict=True)
        if isinstance(result, Registered)
    ]
    profiles = look_up_profiles(
        {result.client.id: command.client.timezone for command, result in accepted},
        known=[result.client.id for _, result in accepted if not result.is_new],
        now=now,
    )
    introduced = look_up_consents(
        [_introduction(result, command.client.whatsapp_opt_in) for command, result in accepted],
        said=read_said(said_of),
        now=now,
    )
    recipients = [
        Recipient(
            result,
            profile := profiles[result.client.id],
            effective_of(profile.row, settings.CRM_DEFAULT_TIMEZONE),
            introduced[result.client.id],
        )
        if isinstance(result, Registered)
        else result
        for result in registered
    ]
    return recipients, others


def _what_was_said(said: Sequence[ToRegister]) -> Query:
    """Of consent, about these clients and the addresses that they are given."""
    given = [
        address_index(address, kind=kind)
        for each in said
        for kind, address in (
            (ContactKind.EMAIL, each.details.email),
            (ContactKind.PHONE, each.details.phone),
        )
        if address
    ]
    return said_query([each.command.client_reference for each in said], given)


def _introduction(registered: Registered, whatsapp_opt_in: bool | None) -> Introduction:
    return Introduction(
        client_id=registered.client.id,
        points=registered.points,
        added=registered.added,
        whatsapp_opt_in=whatsapp_opt_in,
        is_new=registered.is_new,
    )


def store(recipients: Sequence[Recipient], *, caller: str, now: datetime) -> list[audit.Entry]:
    """Store what is new or different of them. IntegrityError and what has to be audited as
    `clients.services.register.store`."""
    entries = register.store([each.registered for each in recipients], now=now)
    store_profiles([each.profile for each in recipients], now=now)
    store_consents([each.introduced for each in recipients], caller=caller, now=now)
    return entries


def message_values(context: Context, recipient: Recipient) -> dict[str, Any]:
    """What is stored of a context, and all that templates and the sender draw from, in its stored form.

    What the request leaves out is taken from what is known of the client and the plan.
    """
    plan = recipient.plan
    base = {
        "client_name": recipient.client.name or None,
        "event_type": recipient.registered.event_type,
        "event_date": plan.event_date.isoformat() if plan.event_date is not None else None,
        "guest_count": context.guest_count,
        "budget": str(context.budget) if context.budget is not None else None,
        "location": context.location,
    }
    return {**context.variables, **{name: value for name, value in base.items() if value is not None}}


def known_of(recipient: Recipient, activity: Activity) -> Known:
    """What the strategy is told of them."""
    points, consent = recipient.registered.points, recipient.introduced.consent
    return Known(
        points={kind: point.undeliverable_at is not None for kind, point in points.items()},
        allowed=consent.allowed,
        suppressed=consent.suppressed,
        preferences=recipient.preferences,
        activity=activity,
        event_date=recipient.plan.event_date,
    )
