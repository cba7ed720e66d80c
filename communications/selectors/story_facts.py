"""The facts that the story of a communication is told from."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from communications.choices import MessageType
from communications.models import DeliveryEvent
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.reasons import Reason
from communications.rules.story import StoryAttempt, StoryDigest, StoryEvent, StoryFacts, actor_words
from communications.selectors.detail import CommunicationDetail
from communications.selectors.digests import DigestState
from communications.selectors.history import client_zones
from core.choices import Channel
from core.people import actor_names


def story_facts(detail: CommunicationDetail, *, viewer_zone: ZoneInfo, now: datetime) -> StoryFacts:
    """Its events are those of `detail`, in their order. Two queries: the client's zone, and the names of staff."""
    names = actor_names(event.actor for event in detail.events)
    row = detail.entry.row
    numbers = {attempt.row.id: attempt.row.number for attempt in detail.attempts}
    return StoryFacts(
        label=MESSAGE_TYPES[MessageType(row.message_type)].label,
        client_name=row.client.name,
        channel=Channel(row.channel),
        role=row.role,
        status=row.status,
        reasons=tuple(Reason(reason["code"], reason["text"]) for reason in detail.strategy["reasons"]),
        events=tuple(_event(event, numbers, names) for event in detail.events),
        attempts=tuple(
            StoryAttempt(attempt.row.number, attempt.row.started_at, attempt.row.outcome_class)
            for attempt in detail.attempts
        ),
        created_at=row.created_at,
        planned_at=_planned_at(detail.strategy, row.channel),
        due_at=row.due_at,
        expires_at=row.expires_at,
        zone=client_zones([detail.entry])[row.client_id],
        viewer_zone=viewer_zone,
        now=now,
        degraded=row.metadata.get("degraded", ""),
        cancel_requested=row.cancel_requested,
        waits=bool(row.waits_for),
        digest=_digest(detail.entry.digest),
    )


def _digest(digest: DigestState | None) -> StoryDigest | None:
    return None if digest is None else StoryDigest(digest.status, digest.sent_at)


def _event(event: DeliveryEvent, numbers: Mapping[UUID, int], names: Mapping[str, str]) -> StoryEvent:
    return StoryEvent(
        at=event.occurred_at,
        to=event.to_status,
        cause=event.cause,
        reason=event.reason,
        code=event.code,
        attempt=numbers.get(event.attempt_id, 0) if event.attempt_id else 0,
        by=actor_words(event.actor, names),
    )


def _planned_at(strategy: Mapping[str, Any], channel: str) -> datetime | None:
    """When the decision put it on its channel; None: it was decided not to send it."""
    planned = {delivery["channel"]: delivery["send_at"] for delivery in strategy["deliveries"]}
    if not planned:
        return None
    # On a channel that the decision did not name it went on later, from the first one.
    return datetime.fromisoformat(planned.get(channel) or next(iter(planned.values())))
