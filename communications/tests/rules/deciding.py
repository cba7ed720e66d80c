"""Facts for decisions: a client in Kolkata, on Saturday, 21 November 2026."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from communications.choices import MessageType
from communications.rules.facts import ChannelFacts, Facts, PreferenceFacts
from communications.rules.message_types import MESSAGE_TYPES
from core.choices import Channel

KOLKATA = ZoneInfo("Asia/Kolkata")
EMAIL, SMS, WHATSAPP = Channel.EMAIL, Channel.SMS, Channel.WHATSAPP
OPEN = ChannelFacts(has_contact_point=True, consent_allowed=True, configured=True)
NOT_SET_UP = ChannelFacts(has_contact_point=True, consent_allowed=True, configured=False)
NOON = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
EVENING = datetime(2026, 11, 21, 16, 0, tzinfo=UTC)  # 21:30 in Kolkata


def facts(name="welcome", *, open_channels=(EMAIL, SMS, WHATSAPP), urgency=None, chosen=None, **values):
    rule = MESSAGE_TYPES[MessageType(name)]
    values.setdefault("channels", dict.fromkeys(open_channels, OPEN))
    values.setdefault("now", NOON)
    values.setdefault("preferences", PreferenceFacts(channels=chosen))
    return Facts(rule=rule, urgency=urgency or rule.urgency, zone=KOLKATA, **values)


def going(strategy):
    return [delivery.channel for delivery in strategy.deliveries]


def codes(strategy):
    return [reason.code for reason in strategy.reasons]
