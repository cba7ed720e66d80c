"""What the strategy is told: everything it decides by, as plain data. What is not said has a neutral default."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from communications.choices import Urgency
from communications.rules.daily_cap import DailyCap
from communications.rules.message_types import Answer, MessageTypeRule
from communications.rules.policy import USUAL_HOURS, Hours
from communications.rules.slots import DIGEST_CHANNELS, Slot, may_be_merged, slot_for
from communications.rules.timing import Terms, expiry
from core.choices import Channel
from preferences.choices import Frequency
from preferences.rules.windows import Window


@dataclass(frozen=True)
class ChannelFacts:
    """What is known about one channel for one client and one message.

    `suppressed`: consent would allow it, and the address is not to be written to; then it is not allowed either.
    `engaged`: for the last deliveries that could show engagement (a tracked link or an open question), newest first,
    whether a human reacted within 72 hours; one that still has time to is left out until it is settled.
    """

    has_contact_point: bool
    consent_allowed: bool
    configured: bool
    undeliverable: bool = False
    carries_content: bool = True
    suppressed: bool = False
    engaged: tuple[bool, ...] = ()


@dataclass(frozen=True)
class PreferenceFacts:
    """What the client, or staff for them, set. `channels` None: they never chose."""

    channels: tuple[Channel, ...] | None = None
    quiet_hours: Window | None = None
    pause_until: datetime | None = None
    frequency: Frequency = Frequency.AT_ONCE


@dataclass(frozen=True)
class Facts:
    """One request at one instant. A channel that `channels` does not name is not set up.

    `daily_cap` None: no cap. `engagements_by_hour`: human reactions by the local hour of the client.
    `expects_answer` counts for types that leave it to the caller. `digests`: whether messages that may be merged are
    held for a digest; else each goes out by itself in its slot.
    """

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
    client_erased: bool = False
    daily_cap: DailyCap | None = None
    engagements_by_hour: Mapping[int, int] = field(default_factory=dict)
    has_attachments: bool = False
    expects_answer: bool = False
    digests: bool = False
    hours: Hours = USUAL_HOURS

    def expiry(self) -> tuple[datetime, bool]:
        """When the message stops being worth sending, and whether that is the event's doing."""
        start = max(self.now, self.send_at) if self.send_at is not None else self.now
        return expiry(self.rule, from_=start, event_date=self.event_date, zone=self.zone)

    @property
    def may_be_merged(self) -> bool:
        expects = self.rule.answer is Answer.SELECTION or self.expects_answer
        return may_be_merged(
            self.rule, self.urgency, has_attachments=self.has_attachments, expects_answer=expects
        )

    def slot(self) -> Slot | None:
        """The slot that the message waits for."""
        return slot_for(
            self.urgency,
            mergeable=self.may_be_merged,
            frequency=self.preferences.frequency,
            engagements_by_hour=self.engagements_by_hour,
            hours=self.hours,
        )

    def full_days(self) -> frozenset[date]:
        """The local days on which the client gets no more: the table says which types are capped."""
        if self.daily_cap is None or not self.rule.capped:
            return frozenset()
        return self.daily_cap.full_days

    def digest_days(self, channel: Channel) -> frozenset[date]:
        """The local days on which a digest waits that the message would join."""
        if self.daily_cap is None or not self.joins_digests(channel):
            return frozenset()
        return self.daily_cap.digest_days

    def joins_digests(self, channel: Channel) -> bool:
        return self.digests and channel in DIGEST_CHANNELS and self.may_be_merged

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
            slot=self.slot(),
            full_days=self.full_days(),
            digest_days=self.digest_days(channel),
            hours=self.hours,
        )
