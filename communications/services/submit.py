"""Requests come in: who they are for, whether they came before, how and when they go out (ORC-1, ORC-3).

Of a request everything is stored or nothing is, whatever becomes of those beside it. The number of statements does
not depend on how many requests there are: only those that touch the same client, plan or idempotency key wait for
each other's turn.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from clients.services.register import Overtaken
from communications.rules.context import Context, normalise_context
from communications.rules.turns import in_turns
from communications.services import business_key, idempotency
from communications.services.acceptance import Candidate, Made, accept
from communications.services.commands import Idempotency, Submission, SubmitCommand
from communications.services.idempotency import Use
from communications.services.recipient import ToRegister, contact_details, look_up
from communications.services.templates import active_query, versions_of
from core.choices import Channel
from core.copying import written_together
from core.errors import Conflict, Invalid

Refusal = Invalid | Conflict
_TRIES_TOGETHER = 2
_TRIES_ALONE = 5


@dataclass(frozen=True)
class Submitted:
    """`duplicate`: nothing new was made; `request_id` is the first request of its kind. `made`: what was, if something
    was, as it stood when it was committed."""

    request_id: UUID
    duplicate: bool
    made: Made | None = None


@dataclass(frozen=True)
class _Item:
    """A request that can be understood; whether it can be accepted is asked in its turn."""

    place: int
    said: ToRegister
    submission: Submission

    @property
    def idempotency_key(self) -> Idempotency | None:
        return self.submission.idempotency_key


_Outcomes = Mapping[int, Submitted | Refusal]


def submit(
    *,
    command: SubmitCommand,
    caller: str,
    now: datetime,
    idempotency_key: Idempotency | None = None,
    request_id: UUID | None = None,
) -> Submitted:
    """Accept a request: 0 or 1 new requests, each with its communications, events and reasons.

    A new request gets `request_id` if one is given; it must be an id that no request has.
    Raises Invalid (fields named) and Conflict (a plan of another client, a key still running, an erased client).
    Two identical calls at the same instant make one request.
    """
    submission = Submission(command, idempotency_key, request_id)
    (outcome,) = submit_many(submissions=[submission], caller=caller, now=now)
    if isinstance(outcome, Submitted):
        return outcome
    raise outcome


def submit_many(
    *, submissions: Sequence[Submission], caller: str, now: datetime
) -> list[Submitted | Refusal]:
    """What became of each, in their order: as if they had been submitted one after the other.

    Committed in turns, so a call that is cut short may have stored some of them, each whole; repeating it finds them.
    """
    outcomes: dict[int, Submitted | Refusal] = {}
    items = []
    for place, submission in enumerate(submissions):
        try:
            items.append(_Item(place, _understand(submission.command), submission))
        except Invalid as refusal:
            outcomes[place] = refusal
    for turn in in_turns(items, touches=_touches):
        outcomes |= _take(turn, caller, now)
    return [outcomes[place] for place in range(len(submissions))]


def _understand(command: SubmitCommand) -> ToRegister:
    context: Context = normalise_context(command.context, plan_reference=command.plan_reference)
    return ToRegister(command, context, contact_details(command, context))


def _touches(item: _Item) -> set[Hashable]:
    touched: set[Hashable] = {
        ("client", item.said.command.client_reference),
        ("plan", item.said.command.plan_reference),
    }
    if item.idempotency_key is not None:
        touched.add(("key", item.idempotency_key.key))
    return touched


def _take(turn: Sequence[_Item], caller: str, now: datetime) -> _Outcomes:
    """Where somebody else makes the same client, plan or request at this instant, what they stored is found the next
    time. If several cannot be stored together, each is tried for itself."""
    for tries_left in reversed(range(_TRIES_TOGETHER if len(turn) > 1 else _TRIES_ALONE)):
        try:
            with transaction.atomic(), written_together():
                return _take_together(turn, caller, now)
        except (IntegrityError, Overtaken):
            if not tries_left and len(turn) == 1:
                raise
    return {place: outcome for item in turn for place, outcome in _take([item], caller, now).items()}


def _take_together(turn: Sequence[_Item], caller: str, now: datetime) -> _Outcomes:
    outcomes: dict[int, Submitted | Refusal] = _seen_before(turn, caller, now)
    fresh = [item for item in turn if item.place not in outcomes]
    if not fresh:
        return outcomes
    types = {item.said.command.message_type for item in fresh}
    templates = active_query(types, Channel.EMAIL)
    recipients, (active,) = look_up([item.said for item in fresh], now=now, along=[templates])
    candidates = []
    for item, recipient in zip(fresh, recipients, strict=True):
        if isinstance(recipient, Invalid | Conflict):
            outcomes[item.place] = recipient
        else:
            key = business_key.make(command=item.said.command, context=item.said.context)
            candidates.append((item, Candidate(item.said, recipient, key, item.submission.request_id)))
    accepted = accept(
        [candidate for _, candidate in candidates],
        versions=versions_of(active, types),
        caller=caller,
        now=now,
    )
    uses = []
    for (item, _), outcome in zip(candidates, accepted, strict=True):
        if isinstance(outcome, Invalid):
            outcomes[item.place] = outcome
            continue
        outcomes[item.place] = Submitted(
            outcome.request_id, duplicate=outcome.made is None, made=outcome.made
        )
        if item.idempotency_key is not None:
            uses.append(Use(item.idempotency_key, outcome.request_id))
    idempotency.remember(uses=uses, caller=caller, now=now)
    return outcomes


def _seen_before(turn: Sequence[_Item], caller: str, now: datetime) -> dict[int, Submitted | Refusal]:
    """The items whose idempotency key decides what becomes of them."""
    keyed = [(item.place, item.idempotency_key) for item in turn if item.idempotency_key is not None]
    found = idempotency.find_firsts(keys=[key for _, key in keyed], caller=caller, now=now)
    outcomes: dict[int, Submitted | Refusal] = {}
    for (place, _), first in zip(keyed, found, strict=True):
        if first.refusal is not None:
            outcomes[place] = first.refusal
        elif first.request_id is not None:
            outcomes[place] = Submitted(first.request_id, duplicate=True)
    return outcomes
