"""What the strategy is told: everything it decides by, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from communications.choices import Urgency
from communications.rules.message_types import MessageTypeRule
from communications.rules.timing import Terms, expiry
from core.choices import Channel
from preferences.rules.windows import Window


@dataclass(frozen=True)
class ChannelFacts:
    """What is known about one channel for one client and one message."""

    has_contact_point: bool
    consent_allowed: bool
    configured: bool
    undeliverable: bool = False
    carries_content: bool = True


@dataclass(frozen=True)
class PreferenceFacts:
    """What the client, or staff for them, set. `channels` None: they never chose."""

    channels: tuple[Channel, ...] | None = None
    quiet_hours: Window | None = None
    pause_until: datetime | None = None


@dataclass(frozen=True)
class Facts:
    """One request at one instant. A channel that `channels` does not name is not set up."""

    rule: MessageTypeRule
    urgency: Urgency
    now: datetime
    zone: ZoneInfo
    channels: Mapping[Channel, ChannelFacts]
    preferences: PreferenceFacts = PreferenceFacts()
    zone_defaulted: bool = False
    preferred_channel: Channel | None = None
    send_at: datetime | None = None
    deliver_by: datetime | None = None
    event_date: date | None = None

    def terms_on(self, channel: Channel) -> Terms:
        """What bounds the time on one channel."""
        expires_at, ends_with_event = self.expiry()
        return Terms(
            urgency=self.urgency,
            channel=channel,
            zone=self.zone,
            expires_at=expires_at,
            ends_with_event=ends_with_event,
            quiet_hours=self.preferences.quiet_hours,
            pause_until=self.preferences.pause_until,
            send_at=self.send_at,
            deliver_by=self.deliver_by,
        )

    def expiry(self) -> tuple[datetime, bool]:
        """When the message stops being worth sending, and whether that is the event's doing."""
        start = max(self.now, self.send_at) if self.send_at is not None else self.now
        return expiry(self.rule, from_=start, event_date=self.event_date, zone=self.zone)
