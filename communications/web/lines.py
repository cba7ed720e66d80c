"""The lines of the pages: rows with the words that people read beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from communications.choices import MessageType
from communications.models import Communication, DeliveryEvent
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.story import StoryFacts, cause_label, code_words
from communications.selectors.detail import AttemptEntry, CommunicationDetail
from communications.selectors.history import CommunicationEntry, client_zones

MAX_EVENTS: Final = 200

_SHORTEST_TOLD: Final = timedelta(milliseconds=100)
_ATTEMPTS: Final = {"calling": "being made", "not_called": "not made"}


@dataclass(frozen=True)
class HistoryLine:
    """`zone` is the client's."""

    entry: CommunicationEntry
    label: str
    zone: ZoneInfo


@dataclass(frozen=True)
class EventLine:
    """`said` is what the provider told, None where it told nothing or the viewer may not read it."""

    row: DeliveryEvent
    label: str
    explained: str
    actor: str
    said: Any


@dataclass(frozen=True)
class AttemptLine:
    entry: AttemptEntry
    status: str
    explained: str
    took: timedelta | None  # None while it goes on, and where it was over at once


@dataclass(frozen=True)
class MemberLine:
    """One message of a digest."""

    row: Communication
    label: str


def label_of(message_type: str) -> str:
    return MESSAGE_TYPES[MessageType(message_type)].label


def member_lines(detail: CommunicationDetail) -> list[MemberLine]:
    return [MemberLine(row, label_of(row.message_type)) for row in detail.members]


def history_lines(entries: Sequence[CommunicationEntry]) -> list[HistoryLine]:
    zones = client_zones(entries) if entries else {}
    return [
        HistoryLine(entry, label_of(entry.row.message_type), zones[entry.row.client_id]) for entry in entries
    ]


def event_lines(detail: CommunicationDetail, facts: StoryFacts) -> list[EventLine]:
    """The newest first, MAX_EVENTS at most; `facts` are those of `detail`."""
    newest = list(zip(reversed(detail.events), reversed(facts.events), strict=True))[:MAX_EVENTS]
    return [
        EventLine(
            row=event,
            label=cause_label(event.cause),
            explained=code_words(event.code),
            actor=told.by,
            said=detail.payloads.get(event.id),
        )
        for event, told in newest
    ]


def attempt_lines(detail: CommunicationDetail) -> list[AttemptLine]:
    """The newest first."""
    return [
        AttemptLine(
            entry=attempt,
            status=_ATTEMPTS.get(attempt.row.delivery_status, attempt.row.delivery_status),
            explained=code_words(attempt.row.outcome_code),
            took=_took(attempt),
        )
        for attempt in reversed(detail.attempts)
    ]


def _took(attempt: AttemptEntry) -> timedelta | None:
    """Start and end come from two clocks, so what is too short to tell is not told."""
    if attempt.row.finished_at is None:
        return None
    took = attempt.row.finished_at - attempt.row.started_at
    return took if took >= _SHORTEST_TOLD else None
