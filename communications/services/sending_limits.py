"""May this group be called now? A provider's circuit and its rate, asked before the fence and told after the calls.

    permit = ask(connector, wanted=len(group), now=now)
    go, rest = group[: permit.granted], group[permit.granted :]
    … fence, call and record `go` …
    report(connector, [the outcome class of each call that was made], now=now)
    postpone(rest, connector=connector, permit=permit, lease_token=…, actor=…, now=now)

Each is one round trip to the cache for the whole group, none per message, and none of them needs the cache: without it
this process goes by what it sees itself. Who was granted something reports, also when the fence let nothing through
(with no outcomes): a probe that was not made may then be made by the next. `now` is the database's clock with the
demo's offset, the same for all workers.
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.fields.json import KeyTransform
from redis import Redis

from communications.choices import Cause, OutcomeClass, Status
from communications.connectors.base import Connector
from communications.gateway import rate_limit
from communications.models import Communication
from communications.rules import reasons
from communications.rules.circuit import Circuit, CircuitState, Stopped, probed, while_open
from communications.rules.rate_limit import Rate, Taken
from communications.rules.retry import Action, rate_limit_delay
from communications.services import fallbacks, lifecycle
from communications.services.checking import Cleared, deadline_of
from communications.services.circuits import (
    change_local,
    change_shared,
    circuit_key,
    circuit_of,
    note_outcomes,
    read_text,
)
from communications.services.lifecycle import Transition
from communications.services.rate_tokens import add_take, connector_bucket, from_us, take_local, taken_of
from communications.services.waiting import waits_for_circuit
from core.choices import Channel
from core.shared_state import with_shared_state


@dataclass(frozen=True)
class Permit:
    """So many of the calls may be made now. `retry_at`: when more may be, None where all were granted. `circuit` says
    whether the provider is up: half open, the one call granted is to find out."""

    granted: int
    retry_at: datetime | None
    circuit: CircuitState
    known: Circuit


def ask(connector: Connector, *, wanted: int, now: datetime) -> Permit:
    """Take what the circuit and the rate of this connector allow, up to `wanted` calls."""
    rate = rate_limit(connector.name)

    def work(client: Redis) -> Permit:
        pipe = client.pipeline(transaction=False)
        pipe.get(circuit_key(connector.name))
        if rate is not None:
            add_take(pipe, [connector_bucket(connector.name)], rate, [wanted], now)
        stored, *tokens = pipe.execute()
        known = read_text(stored)
        before = after = circuit_of(known)
        if before.is_open:
            before, after = change_shared(client, connector.name, known, lambda seen: _probe(seen, now))
        if after.is_open:
            return _while_open(before, after, wanted, now)
        return _by_rate(after, taken_of(tokens[0], rate)[0] if rate is not None else None, wanted)

    return with_shared_state(work) or _ask_alone(connector, rate, wanted, now)


def report(connector: Connector, outcomes: Collection[OutcomeClass], *, now: datetime) -> CircuitState:
    """Tell what became of the calls that were granted and made; none, where the fence let nothing through."""
    return note_outcomes(connector, outcomes, now=now).state(now)


def postpone(
    rest: Sequence[Cleared],
    *,
    connector: Connector,
    permit: Permit,
    lease_token: UUID,
    actor: str,
    now: datetime,
) -> None:
    """Put back what was not granted, spending no retry: for an open circuit until that closes, or to its next channel
    (rules.circuit); for the rate later each time, so that a mailing that waits for its turn does not come round again
    and again."""
    if not rest:
        return
    with transaction.atomic():
        if permit.known.is_open:
            moves = _until_closed(rest, connector, permit, now)
        else:
            moves = [_until_its_turn(item, permit, now) for item in rest]
        lifecycle.apply(
            (
                Transition(
                    communication_id=item.job.communication_id,
                    to=Status.SCHEDULED,
                    cause=move.cause,
                    actor=actor,
                    at=now,
                    lease_token=lease_token,
                    reason=move.reason,
                    changes=move.changes,
                )
                for item, move in zip(rest, moves, strict=True)
            ),
            now=now,
        )


@dataclass(frozen=True)
class _Move:
    cause: Cause
    reason: str
    changes: dict[str, Any]


def _until_closed(
    rest: Sequence[Cleared], connector: Connector, permit: Permit, now: datetime
) -> list[_Move]:
    stopped = {
        item.job.communication_id: Stopped(item.job.channel, item.job.urgency, deadline_of(item))
        for item in rest
    }
    chosen = _next_channels(
        [
            identifier
            for identifier, message in stopped.items()
            if while_open(permit.known, replace(message, has_fallback=True), now).action is Action.FALLBACK
        ]
    )
    return [
        _around(permit.known, message, chosen.get(identifier), connector, now)
        for identifier, message in stopped.items()
    ]


def _around(
    circuit: Circuit, message: Stopped, other: Channel | None, connector: Connector, now: datetime
) -> _Move:
    """On by the other channel, where there is one; that its circuit is open too is found there, and waited for."""
    step = while_open(circuit, replace(message, has_fallback=other not in {None, message.channel}), now)
    if step.action is Action.FALLBACK:
        changes = {"channel": other, "due_at": now, "retry_count": 0, "put_back_count": 0}
        return _Move(Cause.NEXT_CHANNEL, step.reason.code, changes)
    return _Move(
        Cause.NOT_NOW,
        step.reason.code,
        {"due_at": step.due_at, "waits_for": waits_for_circuit(connector.name)},
    )


def _next_channels(ids: Sequence[UUID]) -> dict[UUID, Channel]:
    if not ids:
        return {}
    rows = Communication.objects.filter(id__in=ids).values(
        "request_id",
        "client_id",
        "urgency",
        communication_id=F("id"),
        fallbacks=KeyTransform("fallbacks", "request__strategy"),
    )
    return fallbacks.choose({row["communication_id"]: row for row in rows})


def _until_its_turn(item: Cleared, permit: Permit, now: datetime) -> _Move:
    put_backs: int = item.job.row["put_back_count"]
    earliest = permit.retry_at or now
    due_at = max(earliest, now + rate_limit_delay(put_backs, random.random()))  # noqa: S311 - spreads, guards nothing
    if due_at >= deadline_of(item):
        due_at = earliest
    changes = {"due_at": due_at, "put_back_count": put_backs + 1}
    return _Move(Cause.NOT_NOW, reasons.OWN_RATE_LIMIT.code, changes)


def _ask_alone(connector: Connector, rate: Rate | None, wanted: int, now: datetime) -> Permit:
    before, after = change_local(connector.name, lambda seen: _probe(seen, now))
    if before.is_open:
        return _while_open(before, after, wanted, now)
    taken = take_local([connector_bucket(connector.name)], rate, [wanted], now)[0] if rate else None
    return _by_rate(before, taken, wanted)


def _probe(circuit: Circuit, now: datetime) -> Circuit:
    return probed(circuit, now) if circuit.state(now) is CircuitState.HALF_OPEN else circuit


def _while_open(before: Circuit, after: Circuit, wanted: int, now: datetime) -> Permit:
    """One call if the probe is ours."""
    granted = min(1, wanted) if after != before else 0
    state = CircuitState.HALF_OPEN if granted else CircuitState.OPEN
    return Permit(granted, after.probe_at or now, state, after)


def _by_rate(circuit: Circuit, taken: Taken | None, wanted: int) -> Permit:
    if taken is None or taken.granted >= wanted:
        return Permit(wanted, None, CircuitState.CLOSED, circuit)
    return Permit(taken.granted, from_us(taken.next_at_us), CircuitState.CLOSED, circuit)
