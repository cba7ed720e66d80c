"""Recording how calls ended: attempts, the communication's next status, and who has to be told. Idempotent."""

import json
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from django.db.models.fields.json import KeyTransform

from communications.choices import AttemptStatus, AttentionKind, Cause, OutcomeClass, Status, Urgency
from communications.models import DeliveryAttempt, DeliveryEvent
from communications.rules.retry import Action, CallFacts, NextStep, move_of, next_step, settled
from communications.services import attempts, fallbacks, lifecycle
from communications.services.contact_marks import Mark, mark_undeliverable, weak_counts
from communications.services.group_moves import Accepted, end_accepted
from communications.services.journal import JournalLine
from communications.services.lifecycle import Transition
from communications.services.providers import has_untried
from core import attention
from core.choices import Channel
from core.logs import get_logger
from core.sealing import SecretKey, seal

log = get_logger("outcomes")

_NOT_ARRIVED: Final = frozenset({AttemptStatus.REJECTED, AttemptStatus.NOT_CALLED})


@dataclass(frozen=True)
class Ended:
    """The end of one call as its worker knows it (with text and key) or as a journal tells it (the line alone)."""

    line: JournalLine
    text: str = ""
    key: SecretKey | None = None
    html_sha256: str = ""
    degraded: str = ""
    content: bytes | None = None

    @property
    def tells_all(self) -> bool:
        """Told by the worker that fenced it, and settled by itself: nothing has to be looked up."""
        return self.key is not None and self.line.outcome_class is OutcomeClass.ACCEPTED

    @property
    def attempt_status(self) -> AttemptStatus:
        if self.line.outcome_class is None:
            return AttemptStatus.NOT_CALLED
        if self.line.outcome_class is OutcomeClass.ACCEPTED:
            return AttemptStatus.ACCEPTED
        if self.line.outcome_class is OutcomeClass.AMBIGUOUS:
            return AttemptStatus.UNKNOWN
        return AttemptStatus.REJECTED

    def sealed(self, model: type[Any], field: str) -> bytes | None:
        return seal(model, field, self.text, self.key) if self.text and self.key is not None else None


@dataclass(frozen=True)
class _Judged:
    """One end with what follows; `facts` unless the outcome settles everything by itself."""

    ended: Ended
    row: Mapping[str, Any]
    step: NextStep | None  # None: the call was never begun
    facts: CallFacts | None = None
    next_channel: Channel | None = None

    @property
    def communication_id(self) -> UUID:
        return self.ended.line.communication_id

    @property
    def attempt_id(self) -> UUID:
        return self.ended.line.attempt_id

    @property
    def outcome(self) -> OutcomeClass | None:
        return self.ended.line.outcome_class

    @property
    def would_leave(self) -> bool:
        """Whether it goes on to another channel if one is left."""
        if self.facts is None:
            return False
        return next_step(replace(self.facts, has_fallback=True)).action is Action.FALLBACK


def record(*, ended: Sequence[Ended], actor: str, now: datetime, durable: bool = True) -> frozenset[UUID]:
    """Store the ends of calls; returns the ids of attempts that are not known here.

    What was accepted and is as its worker left it, nearly everything, is one statement; the rest one transaction, with
    locks in the order clients, requests, communications, attempts. A word that comes too late still counts as evidence:
    acceptance always, refusal while its attempt is the newest. With `durable` false it does not wait for the database's
    disk: the caller keeps its journal until a later commit did.
    """
    sent = end_accepted(
        [_accepted(end) for end in ended if end.tells_all], actor=actor, now=now, durable=durable
    )
    rest = [end for end in ended if end.line.communication_id not in sent]
    return _record(rest, actor, now, durable=durable) if rest else frozenset()


def _accepted(end: Ended) -> Accepted:
    return Accepted(
        communication_id=end.line.communication_id,
        attempt_id=end.line.attempt_id,
        attempt_number=end.line.attempt_number,
        code=end.line.code,
        provider_message_id=end.line.provider_message_id,
        at=end.line.at,
        payload=end.sealed(DeliveryEvent, "payload"),
        html_sha256=end.html_sha256,
        degraded=end.degraded,
        content=end.content,
    )


def _record(ended: Sequence[Ended], actor: str, now: datetime, *, durable: bool) -> frozenset[UUID]:
    with transaction.atomic():
        if not durable:
            _do_not_wait_for_disk()
        rows = _attempt_rows([end.line.attempt_id for end in ended])
        known = [end for end in ended if end.line.attempt_id in rows]
        weak = weak_counts(
            {
                end.line.attempt_id: rows[end.line.attempt_id]
                for end in known
                if end.line.outcome_class is OutcomeClass.WEAK_RECIPIENT
            }
        )
        judged = [_judge(end, rows[end.line.attempt_id], weak, now) for end in known]
        _mark_undeliverable(judged, now)
        judged = _with_next_channels(judged)
        changed = _move(judged, actor, now)
        attempts.finish([_result(item.ended) for item in judged])
        _tell([item for item in judged if item.communication_id in changed], now)
    return frozenset(end.line.attempt_id for end in ended) - rows.keys()


def _do_not_wait_for_disk() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit TO off")


def _attempt_rows(attempt_ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    if not attempt_ids:
        return {}
    related = {
        "client_id": F("communication__client_id"),
        "request_id": F("communication__request_id"),
        "urgency": F("communication__urgency"),
        "message_type": F("communication__message_type"),
        "retry_count": F("communication__retry_count"),
        "put_back_count": F("communication__put_back_count"),
        "expires_at": F("communication__expires_at"),
        "deliver_by": F("communication__request__deliver_by"),
        "fallbacks": KeyTransform("fallbacks", "communication__request__strategy"),
    }
    rows = DeliveryAttempt.objects.filter(id__in=attempt_ids)
    return {
        row["id"]: dict(row)
        for row in rows.values("id", "communication_id", "channel", "contact_point_id", **related)
    }


def _judge(
    end: Ended, row: Mapping[str, Any], weak: Mapping[UUID, tuple[int, int]], now: datetime
) -> _Judged:
    outcome = end.line.outcome_class
    if outcome is None:
        return _Judged(end, row, None)
    if (step := settled(outcome)) is not None:
        return _Judged(end, row, step)
    weak_before, weak_in_a_row = weak.get(end.line.attempt_id, (0, 1))
    seconds = end.line.retry_after_seconds
    deadlines = [moment for moment in (row["expires_at"], row["deliver_by"]) if moment is not None]
    facts = CallFacts(
        outcome=outcome,
        channel=Channel(row["channel"]),
        urgency=Urgency(row["urgency"]),
        now=now,
        deadline=min(deadlines),
        retries_spent=row["retry_count"],
        put_backs=row["put_back_count"],
        weak_before=weak_before,
        weak_in_a_row=weak_in_a_row,
        retry_after=timedelta(seconds=seconds) if seconds is not None else None,
        other_provider=outcome is OutcomeClass.CONFIG
        and has_untried(Channel(row["channel"]), row["communication_id"]),
        jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
    )
    return _Judged(end, row, next_step(facts), facts)


def _with_next_channels(judged: Sequence[_Judged]) -> list[_Judged]:
    """Those that leave their channel get the next one that is left for them."""
    leaving = {item.attempt_id: item.row for item in judged if item.would_leave}
    chosen = fallbacks.choose(leaving)
    return [
        replace(
            item,
            step=next_step(replace(item.facts, has_fallback=True)),
            next_channel=chosen[item.attempt_id],
        )
        if item.attempt_id in chosen and item.facts is not None
        else item
        for item in judged
    ]


def _move(judged: Sequence[_Judged], actor: str, now: datetime) -> set[UUID]:
    """Apply what follows; what came too late, again as evidence. Returns the rows changed."""
    applied = lifecycle.apply((_transition(item, actor, now) for item in judged), now=now)
    too_late = {transition.communication_id for transition in applied.unchanged}
    evidence = (_evidence(item, actor, now) for item in judged if item.communication_id in too_late)
    late = lifecycle.apply((transition for transition in evidence if transition is not None), now=now)
    return set(applied.changed) | set(late.changed)


def _transition(item: _Judged, actor: str, now: datetime) -> Transition:
    line = item.ended.line
    to, cause, changes = _next_status(item, now)
    if to is Status.SENT:
        changes |= _what_was_sent(item.ended)
    if item.ended.content is not None:
        changes["content"] = item.ended.content
    return Transition(
        communication_id=line.communication_id,
        to=to,
        cause=cause,
        actor=actor,
        at=line.at,
        attempt_id=line.attempt_id,
        attempt_number=line.attempt_number,
        reason=item.step.reason.code if item.step is not None else "",
        code=line.code,
        payload=item.ended.sealed(DeliveryEvent, "payload"),
        changes=changes | {"outcome_code": line.code, "call_started_at": None},
    )


def _what_was_sent(end: Ended) -> dict[str, Any]:
    sent: dict[str, Any] = {"html_sha256": end.html_sha256} if end.html_sha256 else {}
    if end.degraded:
        sent["metadata"] = json.dumps({"degraded": end.degraded})
    return sent


def _next_status(item: _Judged, now: datetime) -> tuple[Status, Cause, dict[str, Any]]:
    step, outcome = item.step, item.outcome
    if step is None or outcome is None:
        return Status.SCHEDULED, Cause.NOT_CALLED, {"due_at": now}
    to, cause = move_of(step.action, outcome)
    return to, cause, _changes(item, step, now)


def _changes(item: _Judged, step: NextStep, now: datetime) -> dict[str, Any]:
    match step.action:
        case Action.SENT:
            return {"put_back_count": 0}
        case Action.FALLBACK:
            # A new channel has its own retries and is composed anew when it is sent.
            return {"channel": item.next_channel, "due_at": now, "retry_count": 0, "put_back_count": 0}
        case Action.PUT_BACK:
            return {"due_at": step.due_at, "put_back_count": item.row["put_back_count"] + 1}
        case Action.RETRY if step.spends_retry:
            return {"due_at": step.due_at, "retry_count": item.row["retry_count"] + 1, "put_back_count": 0}
        case Action.RETRY:
            return {"due_at": step.due_at}
        case Action.FAILED | Action.IN_DOUBT:
            return {}


def _evidence(item: _Judged, actor: str, now: datetime) -> Transition | None:
    """What a word still tells when the row has moved on: it arrived, or it surely did not."""
    line = item.ended.line
    if item.ended.attempt_status is AttemptStatus.ACCEPTED:
        return Transition(
            line.communication_id,
            Status.SENT,
            Cause.LATE_EVIDENCE,
            actor,
            line.at,
            attempt_id=line.attempt_id,
            code=line.code,
        )
    if item.ended.attempt_status not in _NOT_ARRIVED:
        return None
    to, cause, changes = _next_status(item, now)
    if to is Status.SCHEDULED and cause is not Cause.NEXT_CHANNEL:
        cause = Cause.EVIDENCE_NOT_ARRIVED
    return Transition(
        line.communication_id,
        to,
        cause,
        actor,
        line.at,
        attempt_id=line.attempt_id,
        attempt_number=line.attempt_number,
        code=line.code,
        changes=changes,
    )


def _result(end: Ended) -> attempts.AttemptResult:
    accepted = end.attempt_status is AttemptStatus.ACCEPTED
    return attempts.AttemptResult(
        attempt_id=end.line.attempt_id,
        status=end.attempt_status,
        outcome_class=end.line.outcome_class,
        code=end.line.code,
        provider_message_id=end.line.provider_message_id,
        error=None if accepted else end.sealed(DeliveryAttempt, "error_message"),
        finished_at=end.line.at,
    )


def _mark_undeliverable(judged: Sequence[_Judged], now: datetime) -> None:
    mark_undeliverable(
        [
            Mark(item.row["client_id"], item.row["contact_point_id"], item.ended.line.code)
            for item in judged
            if item.step is not None and item.step.mark_undeliverable
        ],
        now=now,
    )


def _tell(changed: Sequence[_Judged], now: datetime) -> None:
    for item in sorted(changed, key=lambda item: str(item.communication_id)):
        for kind in _shown_as(item):
            shared = kind is AttentionKind.PROVIDER_CONFIGURATION
            attention.raise_item(
                kind=kind,
                dedupe_key=item.row["channel"] if shared else str(item.communication_id),
                target=f"communication:{item.communication_id}",
                details={
                    "code": item.ended.line.code,
                    "reason": item.step.reason.code if item.step is not None else "",
                },
                now=now,
            )


def _shown_as(item: _Judged) -> list[AttentionKind]:
    """What people are shown of an outcome. In doubt is shown at once: plain SMTP never tells more."""
    step = item.step
    if step is None:
        return []
    kinds = []
    if item.outcome is OutcomeClass.CONFIG:
        kinds.append(AttentionKind.PROVIDER_CONFIGURATION)
    if step.action is Action.IN_DOUBT:
        kinds.append(AttentionKind.IN_DOUBT)
    if step.action is Action.FAILED:
        log.critical(
            "all channels failed", communication_id=str(item.communication_id), code=item.ended.line.code
        )
        kinds.append(AttentionKind.DELIVERY_FAILED)
    return kinds
