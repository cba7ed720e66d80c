"""The circuit of a provider: when it is left in peace, how it is tried again, and what its messages do meanwhile.

engine.md §Delivery: opens after 5 transient failures in a row or one configuration error; half-opens after 60 s for one
call at a time; an acceptance closes it. What a provider says of a recipient or a text never counts: it answered.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from communications.choices import OutcomeClass, Urgency
from communications.rules import reasons
from communications.rules.retry import RETRY_AFTER_MINUTES, Action, NextStep
from core.choices import Channel

OPENS_AFTER: Final = 5
PROBE_AFTER: Final = timedelta(seconds=60)
PATIENCE: Final = timedelta(minutes=sum(RETRY_AFTER_MINUTES))
"""How long a message waits for an open circuit before it takes its fallback: as long as its retries would."""

_ABOUT_THE_MESSAGE: Final = frozenset(
    {
        OutcomeClass.RECIPIENT,
        OutcomeClass.WEAK_RECIPIENT,
        OutcomeClass.CONTENT,
        OutcomeClass.NEEDS_TEMPLATE,
        OutcomeClass.OPTED_OUT,
    }
)


class CircuitState(StrEnum):
    """`half_open`: one call may be made to find out."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class Circuit:
    """`failures` in a row while it is closed. Once open: since when, whether our account is the trouble, and when the
    next call may be made to find out."""

    failures: int = 0
    opened_at: datetime | None = None
    probe_at: datetime | None = None
    configuration: bool = False

    @property
    def is_open(self) -> bool:
        return self.opened_at is not None

    def state(self, now: datetime) -> CircuitState:
        if self.probe_at is None:
            return CircuitState.CLOSED
        return CircuitState.HALF_OPEN if now >= self.probe_at else CircuitState.OPEN


CLOSED: Final = Circuit()


def probed(circuit: Circuit, now: datetime) -> Circuit:
    """A half-open circuit after its one call was given away: the next may follow when nothing was heard of it."""
    return replace(circuit, probe_at=now + PROBE_AFTER)


def after(circuit: Circuit, outcomes: Iterable[OutcomeClass], now: datetime) -> Circuit:
    """The circuit after a group of calls, in their order. None at all: what was to be called was not, so a circuit that
    is open may be tried again at once."""
    heard = list(outcomes)
    if not heard:
        return _try_again(circuit, now)
    for outcome in heard:
        circuit = _after_one(circuit, outcome, now)
    return circuit


def _after_one(circuit: Circuit, outcome: OutcomeClass, now: datetime) -> Circuit:
    if outcome is OutcomeClass.ACCEPTED:
        return CLOSED
    if outcome is OutcomeClass.CONFIG:
        return _opened(circuit, now, configuration=True)
    if outcome is OutcomeClass.TRANSIENT:
        if circuit.is_open or circuit.failures + 1 >= OPENS_AFTER:
            return _opened(circuit, now, configuration=False)
        return replace(circuit, failures=circuit.failures + 1)
    # Neither good nor bad news of the provider; asked about one message, it may be asked about the next.
    return _try_again(circuit, now) if outcome in _ABOUT_THE_MESSAGE else circuit


def _opened(circuit: Circuit, now: datetime, *, configuration: bool) -> Circuit:
    return Circuit(
        opened_at=circuit.opened_at or now, probe_at=now + PROBE_AFTER, configuration=configuration
    )


def _try_again(circuit: Circuit, now: datetime) -> Circuit:
    return replace(circuit, probe_at=min(circuit.probe_at, now)) if circuit.probe_at else circuit


@dataclass(frozen=True)
class Stopped:
    """A message that met an open circuit. `has_fallback`: another channel, open now and not used by a sibling."""

    channel: Channel
    urgency: Urgency
    deadline: datetime
    has_fallback: bool = False


def while_open(circuit: Circuit, message: Stopped, now: datetime) -> NextStep:
    """Fallback at once for what is critical; everything else waits for PATIENCE from the opening on, and longer where
    there is no fallback. E-mail whose account is not in order waits in any case: a mailing must not become SMS."""
    code = reasons.CIRCUIT_OPEN_CONFIGURATION if circuit.configuration else reasons.CIRCUIT_OPEN
    critical = message.urgency is Urgency.CRITICAL
    held = message.channel is Channel.EMAIL and circuit.configuration and not critical
    ends_at = (circuit.opened_at or now) + PATIENCE
    if message.has_fallback and not held:
        if critical or now >= ends_at:
            return NextStep(Action.FALLBACK, code.because())
        return NextStep(Action.PUT_BACK, code.because(), due_at=min(ends_at, message.deadline))
    return NextStep(Action.PUT_BACK, code.because(), due_at=min(now + PATIENCE, message.deadline))
