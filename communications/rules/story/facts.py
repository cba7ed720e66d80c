from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from communications.rules.reasons import Reason
from core.choices import Channel


@dataclass(frozen=True)
class StoryEvent:
    """One change. `attempt` is the number of the call that it is about, 0 when it is about none; `by` says who did
    it."""

    at: datetime
    to: str
    cause: str
    reason: str = ""
    code: str = ""
    attempt: int = 0
    by: str = "somebody"


@dataclass(frozen=True)
class StoryAttempt:
    """One call of a provider; `outcome` is empty while it is not known."""

    number: int
    started_at: datetime
    outcome: str = ""


@dataclass(frozen=True)
class StoryDigest:
    """How the digest stands that a message was merged into; `at`: when it went out, or is to."""

    status: str
    at: datetime | None


@dataclass(frozen=True)
class StoryFacts:
    """What is known about one communication. `planned_at` is the time decided when it was accepted, None when it was
    decided not to send; `due_at` is the latest. `waits`: for the end of a pause or of a provider's trouble.
    Events and attempts come oldest first."""

    label: str
    client_name: str
    channel: Channel
    role: str
    status: str
    reasons: tuple[Reason, ...]
    events: tuple[StoryEvent, ...]
    attempts: tuple[StoryAttempt, ...]
    created_at: datetime
    planned_at: datetime | None
    due_at: datetime | None
    expires_at: datetime
    zone: ZoneInfo
    viewer_zone: ZoneInfo
    now: datetime
    degraded: str = ""
    cancel_requested: bool = False
    waits: bool = False
    digest: StoryDigest | None = None


@dataclass(frozen=True)
class Story:
    """`told`: why, and what happened. `action`: the one thing that a person can do about it, empty when nothing is
    needed."""

    told: tuple[str, ...]
    next: str
    action: str
