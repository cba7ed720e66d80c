"""When administrators are alerted, and in which words. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

AT_MOST_EVERY: Final = timedelta(minutes=15)
"""Of one kind; what is opened meanwhile is told together, with its number."""
RETRY_AFTER: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))


@dataclass(frozen=True)
class AlertWords:
    """What is the matter, for one item and for `{count}` of them. References only, nothing about a person."""

    one: str
    several: str

    def say(self, count: int) -> str:
        return self.one if count == 1 else self.several.format(count=count)


@dataclass(frozen=True)
class AlertFacts:
    """`pending`: open items of the kind that were not told. `failures`: how often in a row nobody was reached."""

    pending: int
    sent_at: datetime | None = None
    failed_at: datetime | None = None
    failures: int = 0


def is_due(facts: AlertFacts, now: datetime) -> bool:
    if not facts.pending:
        return False
    if facts.failures and facts.failed_at is not None:
        return now >= facts.failed_at + RETRY_AFTER[min(facts.failures, len(RETRY_AFTER)) - 1]
    return facts.sent_at is None or now >= facts.sent_at + AT_MOST_EVERY
