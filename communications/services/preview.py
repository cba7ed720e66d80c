"""The strategy that a request would get, told without accepting it: nothing is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings

from clients.addresses import address_index
from clients.choices import ContactKind
from clients.models import ContactPoint
from clients.services.register import ContactDetails
from communications.choices import Status
from communications.models import Communication
from communications.rules.context import normalise_context
from communications.rules.strategy import Strategy, decide
from communications.selectors.activity import NO_ACTIVITY, activity_of
from communications.selectors.preview_facts import KnownRecipient, known_recipient
from communications.selectors.sending import current_contact_points, load_jobs
from communications.services.commands import SubmitCommand
from communications.services.recipient import contact_details
from communications.services.strategy_facts import Known, asked_by, asked_of, facts_of
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


_MAY_STILL_GO: Final = frozenset({Status.SCHEDULED, Status.HELD, Status.FAILED, Status.CANCELLED})


def strategy_now(*, communication_id: UUID, now: datetime) -> Strategy | None:
    """What would be decided if the request of a stored communication came now; nothing of it counts for the cap. None
    for what went out or is on its way, for digests, and once the client was erased."""
    (job,) = load_jobs([communication_id])
    if Status(job.row["status"]) not in _MAY_STILL_GO or job.is_digest or job.key is None:
        return None
    same = Communication.objects.filter(request_id=job.row["request_id"]).values_list("id", flat=True)
    activity = activity_of([job.client_id], now=now, without=list(same))
    points = current_contact_points([job.client_id])
    known = Known(
        points={kind: point.undeliverable_at is not None for (_, kind), point in points.items()},
        allowed=job.consent.allowed,
        suppressed=job.consent.suppressed,
        preferences=job.preferences,
        activity=activity.get(job.client_id, NO_ACTIVITY),
        event_date=job.event_date,
    )
    asked = asked_of(job)
    return decide(
        facts_of(
            replace(asked, send_at=_ahead(asked.send_at, now), deliver_by=_ahead(asked.deliver_by, now)),
            known,
            now,
        )
    )


def _ahead(at: datetime | None, now: datetime) -> datetime | None:
    return at if at is not None and at > now else None


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
