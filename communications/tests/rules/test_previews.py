"""At the edges of the day, on the days clocks change and in odd zones: every type, every urgency (STR-3, PRF-4)."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from communications.choices import Urgency
from communications.rules.facts import ChannelFacts, Facts
from communications.rules.message_types import MESSAGE_TYPES, REQUESTED_TYPES
from communications.rules.strategy import decide
from core.choices import Channel

OPEN = ChannelFacts(has_contact_point=True, consent_allowed=True, configured=True)
EVENINGS_AND_MORNINGS = [
    ("Europe/Rome", date(2027, 3, 28)),
    ("Europe/Rome", date(2026, 10, 25)),
    ("America/New_York", date(2027, 3, 14)),
    ("America/New_York", date(2026, 11, 1)),
    ("Asia/Kathmandu", date(2026, 11, 21)),
    ("Pacific/Apia", date(2026, 11, 21)),
]
# Local time of asking → days later and local time of sending: on SMS, on the other channels.
GOES = {
    "critical": {clock: ((0, clock), (0, clock)) for clock in ("07:59", "08:00", "21:59", "22:00")},
    "high": {
        "07:59": ((0, "08:00"), (0, "08:00")),
        "08:00": ((0, "08:00"), (0, "08:00")),
        "21:59": ((1, "08:00"), (0, "21:59")),
        "22:00": ((1, "08:00"), (1, "08:00")),
    },
    "normal": {
        "07:59": ((0, "09:00"), (0, "09:00")),
        "08:00": ((0, "09:00"), (0, "09:00")),
        "21:59": ((1, "09:00"), (1, "09:00")),
        "22:00": ((1, "09:00"), (1, "09:00")),
    },
    "low": {
        "07:59": ((0, "10:00"), (0, "10:00")),
        "08:00": ((0, "10:00"), (0, "10:00")),
        "21:59": ((1, "10:00"), (1, "10:00")),
        "22:00": ((1, "10:00"), (1, "10:00")),
    },
}
WHY = {"critical": "critical_now", "high": "night", "normal": "contact_window", "low": "digest_slot"}
WHY_LATER = {*WHY.values(), "sms_hours"}
CHANNELS = {
    "welcome": "email",
    "budget_summary": "email",
    "vendor_options": "email whatsapp sms",
    "selection_confirmation": "email",
    "blueprint_delivery": "email whatsapp",
    "error_notification": "sms email",
    "reminder": "email",
    "timeline_update": "email",
    "task_update": "email",
    "custom": "email",
}
# By rank, critical goes by SMS first; the primary of fixed channels follows the same order.
CRITICAL = CHANNELS | {
    "vendor_options": "sms whatsapp email",
    "blueprint_delivery": "whatsapp email",
    "timeline_update": "sms",
    "task_update": "sms",
    "custom": "sms",
}
# An alert is worth sending for six hours: one that is not critical does not outlast a night.
ALERT_IN_THE_EVENING = {"high 21:59": "email"}


@pytest.mark.parametrize(("zone", "day"), EVENINGS_AND_MORNINGS, ids=str)
@pytest.mark.parametrize("clock", ["07:59", "08:00", "21:59", "22:00"])
@pytest.mark.parametrize("urgency", Urgency)
@pytest.mark.parametrize("name", REQUESTED_TYPES)
def test_edges_of_the_day(name, urgency, clock, zone, day):
    zone = ZoneInfo(zone)
    now = datetime.combine(day, time.fromisoformat(clock), tzinfo=zone).astimezone(UTC)
    rule = MESSAGE_TYPES[name]
    strategy = decide(
        Facts(rule=rule, urgency=urgency, now=now, zone=zone, channels=dict.fromkeys(Channel, OPEN))
    )
    expected = (CRITICAL if urgency is Urgency.CRITICAL else CHANNELS)[name]
    told = {reason.code for reason in strategy.reasons}
    if name == "error_notification" and urgency is not Urgency.CRITICAL and clock > "12:00":
        expected = ALERT_IN_THE_EVENING.get(f"{urgency} {clock}", "")
        assert "expired" in told
    assert [delivery.channel for delivery in strategy.deliveries] == expected.split()
    held = set()
    for delivery in strategy.deliveries:
        days, at = GOES[urgency][clock][0 if delivery.channel is Channel.SMS else 1]
        local = datetime.combine(day + timedelta(days=days), time.fromisoformat(at), tzinfo=zone)
        assert delivery.send_at == local
        if delivery.send_at > now:
            is_late_sms = delivery.channel is Channel.SMS and urgency is Urgency.HIGH
            held.add("sms_hours" if is_late_sms else WHY[urgency])
    assert told & WHY_LATER == ({"critical_now"} if urgency is Urgency.CRITICAL else held)
