"""What the strategy is told about a request: the one place that makes its facts of what is known."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings

from clients.choices import CONTACT_KIND_OF, ContactKind
from communications.choices import MessageType, Urgency
from communications.gateway import configured_channels
from communications.rules.daily_cap import cap_of, parse_limit
from communications.rules.engagement import engaged, reactions_by_hour
from communications.rules.facts import ChannelFacts, Facts, PreferenceFacts
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.policy import Hours, parse_hours
from communications.selectors.activity import NO_ACTIVITY, Activity
from communications.selectors.sending import SendJob
from communications.services.commands import SubmitCommand
from core.choices import Channel
from preferences.selectors.effective import EffectivePreferences


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for. `urgency` None takes the message type's default."""

    message_type: MessageType
    urgency: Urgency | None = None
    preferred_channel: Channel | None = None
    send_at: datetime | None = None
    deliver_by: datetime | None = None
    has_attachments: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of whom it is for. `points`: the kinds of address that there are, and whether each is known to be
    undeliverable; `allowed`: the channels that consent allows; `suppressed`: those that it would allow to another
    address."""

    points: Mapping[ContactKind, bool]
    allowed: Collection[Channel]
    preferences: EffectivePreferences
    activity: Activity = NO_ACTIVITY
    event_date: date | None = None
    erased: bool = False
    suppressed: Collection[Channel] = ()


def contact_hours() -> Hours:
    """The installation's."""
    return parse_hours(settings.CRM_CONTACT_HOURS, settings.CRM_DIGEST_SLOT)


def asked_by(command: SubmitCommand) -> Asked:
    return Asked(
        message_type=command.message_type,
        urgency=command.urgency,
        preferred_channel=command.preferred_channel,
        send_at=command.send_at,
        deliver_by=command.deliver_by,
        has_attachments=bool(command.attachments or command.files),
    )


def asked_of(job: SendJob) -> Asked:
    """What was asked for by the request of a stored communication."""
    preferred = job.row["preferred_channel"]
    return Asked(
        message_type=job.message_type,
        urgency=job.urgency,
        preferred_channel=Channel(preferred) if preferred else None,
        send_at=job.row["send_at"],
        deliver_by=job.row["deliver_by"],
    )


def facts_of(asked: Asked, known: Known, now: datetime) -> Facts:
    """The facts of one request at `now`. No query: whoever calls it has looked up what is known, for a whole batch."""
    rule, preferences = MESSAGE_TYPES[asked.message_type], known.preferences
    return Facts(
        rule=rule,
        urgency=asked.urgency or rule.urgency,
        now=now,
        zone=preferences.zone,
        channels=_channels(known, now),
        preferences=PreferenceFacts(
            channels=preferences.chosen_channels,
            quiet_hours=preferences.quiet_hours,
            pause_until=preferences.pause_until,
            frequency=preferences.frequency,
        ),
        zone_defaulted=preferences.zone_is_default,
        preferred_channel=asked.preferred_channel,
        send_at=asked.send_at,
        deliver_by=asked.deliver_by,
        event_date=known.event_date,
        has_attachments=asked.has_attachments,
        client_erased=known.erased,
        daily_cap=cap_of(parse_limit(settings.CRM_DAILY_CAP), known.activity.planned, preferences.zone),
        digests=True,
        hours=contact_hours(),
        engagements_by_hour=reactions_by_hour(known.activity.delivered, preferences.zone),
    )


def _channels(known: Known, now: datetime) -> dict[Channel, ChannelFacts]:
    configured, reactions = configured_channels(), engaged(known.activity.delivered, now)
    return {
        channel: ChannelFacts(
            has_contact_point=kind in known.points,
            consent_allowed=channel in known.allowed,
            suppressed=channel in known.suppressed,
            configured=channel in configured,
            undeliverable=known.points.get(kind, False),
            engaged=reactions.get(channel, ()),
        )
        for channel, kind in CONTACT_KIND_OF.items()
    }
