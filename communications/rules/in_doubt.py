"""What becomes of a communication of which nobody knows whether it arrived (engine.md §Delivery, In doubt; REL-6).

It is never sent again on its channel without evidence that it did not arrive.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from communications.choices import Urgency

HOLD: Final = timedelta(minutes=15)
"""So long after the fence evidence is waited for, and so long a look-up that finds nothing proves nothing."""


class Evidence(StrEnum):
    """What is known of the call. `not_found`: the provider was asked and does not know the message."""

    ARRIVED = "arrived"
    NOT_ARRIVED = "not_arrived"
    NOT_FOUND = "not_found"


class DoubtStep(StrEnum):
    """`stay`: it remains in doubt, for a person to decide."""

    WAIT = "wait"
    ARRIVED = "arrived"
    SEND_AGAIN = "send_again"
    NEXT_CHANNEL = "next_channel"
    STAY = "stay"


@dataclass(frozen=True)
class DoubtFacts:
    """`fenced_at`: of its newest attempt. `has_fallback`: another channel, open now and not used by a sibling."""

    fenced_at: datetime
    now: datetime
    deadline: datetime
    urgency: Urgency
    has_fallback: bool = False
    evidence: Evidence | None = None


def doubt_step(facts: DoubtFacts) -> DoubtStep:
    if facts.evidence is Evidence.ARRIVED:
        return DoubtStep.ARRIVED
    if facts.evidence is Evidence.NOT_ARRIVED:
        return DoubtStep.SEND_AGAIN
    if facts.now < facts.fenced_at + HOLD:
        return DoubtStep.WAIT
    if facts.evidence is Evidence.NOT_FOUND:
        return DoubtStep.SEND_AGAIN
    goes_on = facts.urgency is Urgency.CRITICAL and facts.has_fallback and facts.now < facts.deadline
    return DoubtStep.NEXT_CHANNEL if goes_on else DoubtStep.STAY
