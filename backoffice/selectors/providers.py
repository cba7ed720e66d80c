"""How the providers are, and what is stopped: for the page of the providers, and for the banner of all pages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from backoffice.rules.pause_words import PauseWords, pause_words
from communications.choices import PauseScope
from communications.gateway import provider_names, rate_limit
from communications.models import Pause
from communications.rules.circuit import CircuitState
from communications.rules.rate_limit import Rate
from communications.rules.story import provider_words
from communications.rules.story.words import OUTCOMES
from communications.selectors.pauses import count_waiting, open_pauses
from communications.services.circuits import Glance, glance_at
from communications.services.waiting import waits_for_circuit, waits_for_pause
from core.choices import Channel
from core.people import actor_names

WAITING_CAP = 10_000


@dataclass(frozen=True)
class Waiting:
    """How many messages wait, exact up to WAITING_CAP."""

    count: int
    is_capped: bool


@dataclass(frozen=True)
class PauseLine:
    """`who` paused it, as people are called. `waiting` None where it was not counted."""

    row: Pause
    words: PauseWords
    who: str
    waiting: Waiting | None = None


@dataclass(frozen=True)
class ProviderLine:
    """A channel and whoever carries it. `name` is empty where it is not set up; `glance` None while the cache, which
    knows, is away."""

    channel: Channel
    name: str
    words: str
    rate: Rate | None = None
    glance: Glance | None = None
    state: CircuitState | None = None
    waiting: Waiting | None = None

    @property
    def failure(self) -> str:
        """What the last call that was not accepted met, after the provider's name."""
        failure = self.glance.failure if self.glance else None
        return OUTCOMES[failure].format(client="the client", address="address") if failure else ""


@dataclass(frozen=True)
class Standstill:
    """What is stopped right now; empty when all is well."""

    pauses: Sequence[PauseLine]
    troubles: Sequence[ProviderLine]

    def __bool__(self) -> bool:
        return bool(self.pauses or self.troubles)


def read_standstill() -> Standstill:
    """One query, one more where staff paused something; one look into the cache."""
    return Standstill(
        pauses=_pause_lines(open_pauses()),
        troubles=[line for line in _provider_lines() if line.glance and line.glance.circuit.is_open],
    )


def list_providers(*, now: datetime) -> list[ProviderLine]:
    """Every provider, and every channel that is not set up, with how many messages wait for it."""
    lines = _provider_lines()
    counts = count_waiting([waits_for_circuit(line.name) for line in lines], cap=WAITING_CAP)
    closed = set(Channel) - {line.channel for line in lines}
    told = [_in_full(line, counts, now) for line in lines]
    return sorted(
        [*told, *(ProviderLine(channel, "", "") for channel in closed)],
        key=lambda line: list(Channel).index(line.channel),
    )


def list_pauses() -> list[PauseLine]:
    """Those that are open, the newest first, with how many messages wait for each."""
    rows = open_pauses()
    counts = count_waiting([waits_for_pause(row.id) for row in rows], cap=WAITING_CAP)
    return _pause_lines(rows, {name: _waiting(count) for name, count in counts.items()})


def _pause_lines(rows: Sequence[Pause], waiting: dict[str, Waiting] | None = None) -> list[PauseLine]:
    names = actor_names(row.created_by for row in rows)
    return [
        PauseLine(
            row=row,
            words=pause_words(PauseScope(row.scope), row.value),
            who=names.get(row.created_by, row.created_by),
            waiting=(waiting or {}).get(waits_for_pause(row.id)),
        )
        for row in rows
    ]


def _provider_lines() -> list[ProviderLine]:
    """Of the channels that are set up, with what the cache knows."""
    names = [(channel, name) for channel, carriers in provider_names().items() for name in carriers]
    glances = glance_at([name for _, name in names]) if names else {}
    return [
        ProviderLine(
            channel,
            name,
            provider_words(channel),
            rate_limit(name),
            glances[name] if glances is not None else None,
        )
        for channel, name in names
    ]


def _in_full(line: ProviderLine, counts: dict[str, int], now: datetime) -> ProviderLine:
    return replace(
        line,
        state=line.glance.circuit.state(now) if line.glance else None,
        waiting=_waiting(counts[waits_for_circuit(line.name)]),
    )


def _waiting(count: int) -> Waiting:
    return Waiting(min(count, WAITING_CAP), count > WAITING_CAP)
