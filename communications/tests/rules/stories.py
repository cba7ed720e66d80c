"""Facts for stories: one message to Priya in Kolkata, on 3 March 2026."""

from datetime import datetime
from zoneinfo import ZoneInfo

from communications.choices import Cause, OutcomeClass, Role, Status
from communications.rules import reasons
from communications.rules.story import (
    StoryAttempt,
    StoryEvent,
    StoryFacts,
)
from core.choices import Channel

KOLKATA = ZoneInfo("Asia/Kolkata")
ROME = ZoneInfo("Europe/Rome")
DETAILED = reasons.DETAILED_EMAIL_FIRST.because()
WINDOW = reasons.CONTACT_WINDOW.because(until="09:00 Asia/Kolkata", window="09:00 to 21:00")


def at(clock, day=3):
    """A local time in Kolkata in March 2026; the 3rd is a Tuesday."""
    hours, minutes, *seconds = (int(part) for part in clock.split(":"))
    return datetime(2026, 3, day, hours, minutes, *(seconds or [0]), tzinfo=KOLKATA)


def facts(*events, **changes):
    """Asked for on Tuesday at 07:12, planned for 09:00 of that day, looked at in the afternoon."""
    values = {
        "label": "Budget options",
        "client_name": "Priya Sharma",
        "channel": Channel.EMAIL,
        "role": Role.PRIMARY,
        "status": events[-1].to if events else Status.SCHEDULED,
        "reasons": (DETAILED, WINDOW),
        "events": (StoryEvent(at("07:12"), Status.SCHEDULED, Cause.PLANNED), *events),
        "attempts": (),
        "created_at": at("07:12"),
        "planned_at": at("09:00"),
        "due_at": at("09:00"),
        "expires_at": at("07:12", day=10),
        "zone": KOLKATA,
        "viewer_zone": KOLKATA,
        "now": at("15:00"),
    }
    return StoryFacts(**(values | changes))


def claimed(clock):
    return StoryEvent(at(clock), Status.SENDING, Cause.CLAIMED)


def accepted(clock, number=1):
    return StoryEvent(at(clock), Status.SENT, Cause.ACCEPTED, "accepted", "250 2.0.0", number)


def back(clock, number, cause=Cause.RETRY, reason="retry_later", code="451 4.3.0"):
    return StoryEvent(at(clock), Status.SCHEDULED, cause, reason, code, number)


def attempt(number, clock, outcome=OutcomeClass.ACCEPTED):
    return StoryAttempt(number, at(clock), outcome)
