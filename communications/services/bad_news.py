"""What follows when a message that a provider had taken did not arrive (engine.md §Delivery, Receipts drive fallback
too): address marked, next channel or failed, people told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from communications.choices import AttentionKind, Cause, OutcomeClass, Status
from communications.rules.retry import RETRY_AFTER_MINUTES, Action, CallFacts, NextStep, next_step
from communications.services import fallbacks, lifecycle
from communications.services.contact_marks import Mark, mark_undeliverable, weak_counts
from communications.services.lifecycle import Transition
from communications.services.queue import DISPATCH_TASK
from core import attention
from core.attention import Item
from core.choices import Channel
from core.logs import get_logger
from core.wake import ring

log = get_logger("receipts")

_ALL_RETRIES: Final = len(RETRY_AFTER_MINUTES)


@dataclass(frozen=True)
class BadNews:
    """One attempt that turned out undelivered, with its row. `moves_message`: its communication leaves the channel
    because of it; else only the address is judged."""

    row: Mapping[str, Any]
    cause: Cause
    at: datetime
    code: str
    payload: bytes | None
    moves_message: bool
    facts: CallFacts

    @property
    def attempt_id(self) -> UUID:
        return UUID(str(self.row["id"]))


def act_on(news: Sequence[BadNews], *, actor: str, now: datetime) -> None:
    """In the caller's transaction, which holds the locks of clients, requests and communications."""
    if not news:
        return
    facts = _facts(news, now)
    steps = {each.attempt_id: next_step(facts[each.attempt_id]) for each in news}
    _mark(news, steps, now)
    leaving = {
        each.attempt_id: each.row
        for each in news
        if each.moves_message and _would_leave(facts[each.attempt_id])
    }
    chosen = fallbacks.choose(leaving)
    for attempt_id in chosen:
        steps[attempt_id] = next_step(replace(facts[attempt_id], has_fallback=True))
    moving = [each for each in news if each.moves_message]
    wished = [
        _transition(each, steps[each.attempt_id], chosen.get(each.attempt_id), actor, now) for each in moving
    ]
    changed = lifecycle.apply(wished, now=now).changed
    _tell([each for each in moving if each.row["communication_id"] in changed], steps, now)
    if any(change.to is Status.SCHEDULED for change in wished):
        ring(DISPATCH_TASK)


def _facts(news: Sequence[BadNews], now: datetime) -> dict[UUID, CallFacts]:
    weak = weak_counts(
        {each.attempt_id: each.row for each in news if each.facts.outcome is OutcomeClass.WEAK_RECIPIENT}
    )
    found = {}
    for each in news:
        before, in_a_row = weak.get(each.attempt_id, (0, 1))
        facts = replace(each.facts, now=now, weak_before=before, weak_in_a_row=in_a_row)
        if each.cause is Cause.BOUNCED:
            # The mail servers on its way have tried for days already.
            facts = replace(facts, retries_spent=_ALL_RETRIES)
        found[each.attempt_id] = facts
    return found


def _would_leave(facts: CallFacts) -> bool:
    return next_step(replace(facts, has_fallback=True)).action is Action.FALLBACK


def _mark(news: Sequence[BadNews], steps: Mapping[UUID, NextStep], now: datetime) -> None:
    marked = mark_undeliverable(
        [
            Mark(each.row["client_id"], each.row["contact_point_id"], each.code)
            for each in news
            if steps[each.attempt_id].mark_undeliverable
        ],
        now=now,
    )
    attention.raise_items(
        [
            Item(
                AttentionKind.ADDRESS_UNDELIVERABLE,
                str(mark.contact_point_id),
                f"client:{mark.client_id}",
                {"code": mark.code},
            )
            for mark in marked
        ],
        now=now,
    )


def _transition(
    each: BadNews, step: NextStep, channel: Channel | None, actor: str, now: datetime
) -> Transition:
    to = Status.FAILED if step.action is Action.FAILED else Status.SCHEDULED
    cause = each.cause
    if each.row["status"] == Status.IN_DOUBT:
        # What was not known is known now: it did not arrive.
        cause = Cause.NEXT_CHANNEL if channel else Cause.EVIDENCE_NOT_ARRIVED
        cause = cause if to is Status.SCHEDULED else Cause.NO_CHANNEL_LEFT
    return Transition(
        communication_id=each.row["communication_id"],
        to=to,
        cause=cause,
        actor=actor,
        at=each.at,
        attempt_id=each.attempt_id,
        attempt_number=each.row["number"],
        reason=step.reason.code,
        code=each.code,
        payload=each.payload,
        changes=_changes(each, step, channel, now) | {"outcome_code": each.code, "call_started_at": None},
    )


def _changes(each: BadNews, step: NextStep, channel: Channel | None, now: datetime) -> dict[str, Any]:
    if step.action is Action.FALLBACK and channel is not None:
        return {"channel": channel.value, "due_at": now, "retry_count": 0, "put_back_count": 0}
    if step.action is Action.PUT_BACK:
        return {"due_at": step.due_at, "put_back_count": each.row["put_back_count"] + 1}
    if step.action is Action.RETRY:
        spent = 1 if step.spends_retry else 0
        return {"due_at": step.due_at, "retry_count": each.row["retry_count"] + spent}
    return {}


def _tell(changed: Sequence[BadNews], steps: Mapping[UUID, NextStep], now: datetime) -> None:
    items = []
    for each in changed:
        row, step = str(each.row["communication_id"]), steps[each.attempt_id]
        details = {"code": each.code, "reason": step.reason.code}
        if each.facts.outcome is OutcomeClass.CONFIG:
            items.append(
                Item(
                    AttentionKind.PROVIDER_CONFIGURATION, each.row["channel"], f"communication:{row}", details
                )
            )
        if step.action is Action.FAILED:
            log.critical("all channels failed", communication_id=row, code=each.code)
            items.append(Item(AttentionKind.DELIVERY_FAILED, row, f"communication:{row}", details))
    attention.raise_items(items, now=now)
