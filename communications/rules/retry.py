"""What follows from the outcome of a call: the outcome table of engine.md §Delivery as pure rules.

REL-1, MSG-7, MSG-12. Waiting times: transient 1, 5 and 15 minutes, ±10 %; a rate limit 5 s doubled each time
up to 15 minutes, ±10 %; what the provider asks for (`Retry-After`) wins over both. A recipient that is only
perhaps unreachable is tried once more after 5 minutes. An e-mail account that is not in order holds e-mail
and looks again every 5 minutes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from communications.choices import Cause, OutcomeClass, Status, Urgency
from communications.rules import reasons
from communications.rules.reasons import Reason, ReasonCode
from core.choices import Channel

RETRY_AFTER_MINUTES: Final = (1, 5, 15)
JITTER: Final = 0.1
RATE_LIMIT_FIRST: Final = timedelta(seconds=5)
RATE_LIMIT_MAX: Final = timedelta(minutes=15)
DEFERRED_DEFAULT: Final = timedelta(hours=24)
WEAK_RETRY_AFTER: Final = timedelta(minutes=5)
WEAK_TO_MARK: Final = 3
CONFIG_HOLD: Final = timedelta(minutes=5)


class Action(StrEnum):
    """What becomes of the communication. `retry` and `put_back` go to the queue until `due_at`."""

    SENT = "sent"
    RETRY = "retry"
    PUT_BACK = "put_back"
    FALLBACK = "fallback"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"


@dataclass(frozen=True)
class CallFacts:
    """One finished call and what went before it.

    `retries_spent`: on this channel. `put_backs`: rate limits in a row. `weak_before`: earlier outcomes of
    this communication on this channel that only perhaps blame the recipient; `weak_in_a_row`: such outcomes
    of this address, this one included. `has_fallback`: another channel, open now and not used by a sibling.
    `other_provider`: one of the same channel that was not called for this communication yet.
    `template_ready`: an approved template that this communication has not used yet. `deadline`: the sooner of
    expiry and deliver_by. `jitter`: a random number from 0 up to 1.
    """

    outcome: OutcomeClass
    channel: Channel
    urgency: Urgency
    now: datetime
    deadline: datetime
    retries_spent: int = 0
    put_backs: int = 0
    weak_before: int = 0
    weak_in_a_row: int = 1
    has_fallback: bool = False
    template_ready: bool = False
    other_provider: bool = False
    retry_after: timedelta | None = None
    jitter: float = 0.5


@dataclass(frozen=True)
class NextStep:
    """What to do now. `due_at` is set for retry and put_back; why it goes back tells `move_of`."""

    action: Action
    reason: Reason
    due_at: datetime | None = None
    spends_retry: bool = False
    mark_undeliverable: bool = False


def next_step(facts: CallFacts) -> NextStep:
    """What follows from the outcome. Total: every class has a rule."""
    return settled(facts.outcome) or _RULES[facts.outcome](facts)


def settled(outcome: OutcomeClass) -> NextStep | None:
    """What follows from `outcome` whatever went before; None when that depends on it."""
    return _SETTLED.get(outcome)


def move_of(action: Action, outcome: OutcomeClass) -> tuple[Status, Cause]:
    """The status that a call's row gets for `action` after `outcome`, and the cause to name. Total for what
    `next_step` returns."""
    return _MOVES.get(action) or (Status.SCHEDULED, _BACK_TO_QUEUE[outcome])


def retry_delay(retries_spent: int, jitter: float) -> timedelta:
    """How long to wait before the next retry; `retries_spent` 0 is the first."""
    return _jittered(timedelta(minutes=RETRY_AFTER_MINUTES[retries_spent]), jitter)


def rate_limit_delay(put_backs: int, jitter: float) -> timedelta:
    """How long to wait when the provider asks to slow down for the `put_backs` + 1st time in a row."""
    # The exponent is bounded so that a row that was put back very often costs no big number.
    return _jittered(min(RATE_LIMIT_FIRST * 2 ** min(put_backs, 20), RATE_LIMIT_MAX), jitter)


def _jittered(delay: timedelta, jitter: float) -> timedelta:
    return delay * (1 + JITTER * (2 * jitter - 1))


def _wait_text(delay: timedelta) -> str:
    seconds = round(delay.total_seconds())
    for unit, size in (("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def _asked_or(facts: CallFacts, ours: timedelta) -> timedelta:
    """The provider's wish wins; one that lies in the past means at once."""
    return ours if facts.retry_after is None else max(facts.retry_after, timedelta(0))


def _transient(facts: CallFacts) -> NextStep:
    if facts.retries_spent >= len(RETRY_AFTER_MINUTES):
        return _leave_channel(facts, reasons.RETRIES_USED_UP)
    delay = _asked_or(facts, retry_delay(facts.retries_spent, facts.jitter))
    return _wait(facts, Action.RETRY, delay, reasons.RETRY_LATER)


def _rate_limited(facts: CallFacts) -> NextStep:
    delay = _asked_or(facts, rate_limit_delay(facts.put_backs, facts.jitter))
    return _wait(facts, Action.PUT_BACK, delay, reasons.RATE_LIMITED)


def _deferred_long(facts: CallFacts) -> NextStep:
    return _wait(facts, Action.PUT_BACK, _asked_or(facts, DEFERRED_DEFAULT), reasons.DEFERRED_LONG)


def _recipient(facts: CallFacts) -> NextStep:
    return _leave_channel(facts, reasons.RECIPIENT_REFUSED, mark_undeliverable=True)


def _weak_recipient(facts: CallFacts) -> NextStep:
    if facts.weak_in_a_row >= WEAK_TO_MARK:
        return _leave_channel(facts, reasons.RECIPIENT_UNSURE, mark_undeliverable=True)
    if facts.weak_before or facts.retries_spent >= len(RETRY_AFTER_MINUTES):
        return _leave_channel(facts, reasons.RECIPIENT_UNSURE)
    return _wait(facts, Action.RETRY, _asked_or(facts, WEAK_RETRY_AFTER), reasons.RETRY_LATER)


def _content(facts: CallFacts) -> NextStep:
    return _leave_channel(facts, reasons.CONTENT_REFUSED)


def _needs_template(facts: CallFacts) -> NextStep:
    if not facts.template_ready or facts.now >= facts.deadline:
        return _leave_channel(facts, reasons.NO_TEMPLATE)
    return NextStep(Action.RETRY, reasons.NEEDS_TEMPLATE.because(), due_at=facts.now)


def _config(facts: CallFacts) -> NextStep:
    if facts.other_provider and facts.now < facts.deadline:
        return NextStep(Action.RETRY, reasons.OTHER_PROVIDER.because(), due_at=facts.now)
    # E-mail that is set up wrongly must not turn a whole mailing into SMS: only critical goes elsewhere, and what
    # has nowhere else to go waits for whoever mends it.
    if facts.channel is Channel.EMAIL and not (facts.urgency is Urgency.CRITICAL and facts.has_fallback):
        held = replace(facts, has_fallback=False)
        return _wait(held, Action.PUT_BACK, CONFIG_HOLD, reasons.CONFIGURATION_HOLD)
    return _leave_channel(facts, reasons.CONFIGURATION)


def _opted_out(facts: CallFacts) -> NextStep:
    return _leave_channel(facts, reasons.OPTED_OUT)


def _wait(facts: CallFacts, action: Action, delay: timedelta, code: ReasonCode) -> NextStep:
    """To the queue for `delay` if that still meets the deadline, else away from the channel."""
    due_at = facts.now + delay
    if due_at >= facts.deadline:
        return _leave_channel(facts, reasons.TOO_LATE)
    return NextStep(
        action,
        code.because(wait=_wait_text(delay)),
        due_at=due_at,
        spends_retry=action is Action.RETRY,
    )


def _leave_channel(facts: CallFacts, code: ReasonCode, *, mark_undeliverable: bool = False) -> NextStep:
    """Fallback at once. Without one, or past the deadline: failed (REL-3)."""
    goes_on = facts.has_fallback and facts.now < facts.deadline
    return NextStep(
        Action.FALLBACK if goes_on else Action.FAILED,
        code.because(),
        mark_undeliverable=mark_undeliverable,
    )


_RULES: Final[MappingProxyType[OutcomeClass, Callable[[CallFacts], NextStep]]] = MappingProxyType(
    {
        OutcomeClass.TRANSIENT: _transient,
        OutcomeClass.RATE_LIMITED: _rate_limited,
        OutcomeClass.DEFERRED_LONG: _deferred_long,
        OutcomeClass.RECIPIENT: _recipient,
        OutcomeClass.WEAK_RECIPIENT: _weak_recipient,
        OutcomeClass.CONTENT: _content,
        OutcomeClass.NEEDS_TEMPLATE: _needs_template,
        OutcomeClass.CONFIG: _config,
        OutcomeClass.OPTED_OUT: _opted_out,
    }
)

_BACK_TO_QUEUE: Final[MappingProxyType[OutcomeClass, Cause]] = MappingProxyType(
    {
        OutcomeClass.TRANSIENT: Cause.RETRY,
        OutcomeClass.WEAK_RECIPIENT: Cause.RETRY,
        OutcomeClass.NEEDS_TEMPLATE: Cause.RETRY,
        OutcomeClass.RATE_LIMITED: Cause.RATE_LIMITED,
        OutcomeClass.DEFERRED_LONG: Cause.DEFERRED,
        OutcomeClass.CONFIG: Cause.CONFIGURATION,
    }
)

_MOVES: Final[MappingProxyType[Action, tuple[Status, Cause]]] = MappingProxyType(
    {
        Action.SENT: (Status.SENT, Cause.ACCEPTED),
        Action.FALLBACK: (Status.SCHEDULED, Cause.NEXT_CHANNEL),
        Action.FAILED: (Status.FAILED, Cause.NO_CHANNEL_LEFT),
        Action.IN_DOUBT: (Status.IN_DOUBT, Cause.OUTCOME_UNKNOWN),
    }
)
"""Retry and put_back go to the queue on the same channel, for the cause of their class."""

_SETTLED: Final[MappingProxyType[OutcomeClass, NextStep]] = MappingProxyType(
    {
        OutcomeClass.ACCEPTED: NextStep(Action.SENT, reasons.ACCEPTED.because()),
        OutcomeClass.AMBIGUOUS: NextStep(Action.IN_DOUBT, reasons.OUTCOME_UNKNOWN.because()),
    }
)
"""Outcomes that call for nothing more, whatever went before."""
