"""Circuits of providers, shared by all workers through the cache (rules.circuit decides).

One small JSON text per connector; none at all while all is well. It is changed by compare and set: whoever comes second
decides anew from what is there, so one probe is given away once, and of many workers one opens or closes. While the
cache is away each process keeps circuits of its own, which open by its own failures.
"""

import json
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from redis import Redis

from communications.choices import AttentionKind, OutcomeClass
from communications.connectors.base import Connector
from communications.rules.circuit import CLOSED, Circuit, after
from communications.services.waiting import RELEASE_TASK
from core import attention
from core.choices import Channel
from core.logs import get_logger
from core.shared_state import shared_key, with_shared_state
from core.wake import ring

log = get_logger("circuits")

Step = Callable[[Circuit], Circuit]

# Longer than any trouble that nobody looks at.
_KEPT_MS: Final = int(timedelta(days=30).total_seconds() * 1000)
_COMPARE_AND_SET: Final = """
local current = redis.call('GET', KEYS[1]) or ''
if current ~= ARGV[1] then return current end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return false
"""
_MOST_TRIES: Final = 50

_local: dict[str, Circuit] = {}
_local_lock = threading.Lock()


@dataclass(frozen=True)
class Glance:
    """What a person wants to know of a provider. None: not heard of within a month."""

    circuit: Circuit
    accepted_at: datetime | None = None
    failed_at: datetime | None = None
    failure: OutcomeClass | None = None


def circuit_key(name: str) -> str:
    return shared_key(f"circuit:{name}")


def glance_at(names: Sequence[str]) -> Mapping[str, Glance] | None:
    """By the connectors' names, in one round trip; None while the cache is away."""

    def look(client: Redis) -> list[Any]:
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.get(circuit_key(name))
            pipe.hgetall(_news_key(name))
        return pipe.execute()

    found = with_shared_state(look)
    if found is None:
        return None
    return {name: _glance(*found[2 * place : 2 * place + 2]) for place, name in enumerate(names)}


def read_text(stored: bytes | str | None) -> str:
    return stored.decode() if isinstance(stored, bytes) else stored or ""


def circuit_of(text: str) -> Circuit:
    """What `text` says; nothing for a closed circuit."""
    if not text:
        return CLOSED
    values = json.loads(text)
    return Circuit(
        failures=values["failures"],
        opened_at=_instant(values["opened_at"]),
        probe_at=_instant(values["probe_at"]),
        configuration=values["configuration"],
    )


def change_shared(client: Redis, name: str, known: str, step: Step) -> tuple[Circuit, Circuit]:
    """The circuit before and after `step`, which is asked again for what another worker left there meanwhile. Where it
    changes nothing, nothing is sent."""
    for _ in range(_MOST_TRIES):
        before = circuit_of(known)
        changed = step(before)
        if changed == before:
            return before, before
        other = client.eval(_COMPARE_AND_SET, 1, circuit_key(name), known, _text(changed), _KEPT_MS)
        if other is None:
            return before, changed
        known = read_text(other)
    return before, before  # so contested that others have told all there is to tell


def change_local(name: str, step: Step) -> tuple[Circuit, Circuit]:
    """The same for this process alone, while the cache is away."""
    key = circuit_key(name)
    with _local_lock:
        before = _local.get(key, CLOSED)
        _local[key] = changed = step(before)
    return before, changed


def note_outcomes(connector: Connector, outcomes: Collection[OutcomeClass], *, now: datetime) -> Circuit:
    """The circuit after these calls: one round trip, and one more where it changes. Tells what an opening and a closing
    mean for others: rows that wait for it are released, and the item about our account is settled. (Whoever records a
    configuration error raises that item, with the provider's code.)"""

    def step(circuit: Circuit) -> Circuit:
        return after(circuit, outcomes, now)

    def tell(client: Redis) -> tuple[Circuit, Circuit]:
        pipe = client.pipeline(transaction=False)
        pipe.get(circuit_key(connector.name))
        if news := _news(outcomes, now):
            pipe.hset(_news_key(connector.name), mapping=news)
            pipe.pexpire(_news_key(connector.name), _KEPT_MS)
        known = read_text(pipe.execute()[0])
        return change_shared(client, connector.name, known, step)

    before, changed = with_shared_state(tell) or change_local(connector.name, step)
    if changed.is_open and not before.is_open:
        log.critical("circuit opened", provider=connector.name, code=_why(changed))
    if before.is_open and not changed.is_open:
        log.warning("circuit closed", provider=connector.name)
        ring(RELEASE_TASK)
        _settle(connector.channel, now)
    return changed


def _settle(channel: Channel, now: datetime) -> None:
    attention.settle(kind=AttentionKind.PROVIDER_CONFIGURATION, dedupe_keys=[channel.value], now=now)


def _why(circuit: Circuit) -> str:
    return "configuration" if circuit.configuration else "transient"


def _text(circuit: Circuit) -> str:
    if circuit == CLOSED:
        return ""
    return json.dumps(
        {
            "failures": circuit.failures,
            "opened_at": circuit.opened_at.isoformat() if circuit.opened_at else None,
            "probe_at": circuit.probe_at.isoformat() if circuit.probe_at else None,
            "configuration": circuit.configuration,
        }
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _news_key(name: str) -> str:
    return shared_key(f"provider-news:{name}")


def _news(outcomes: Collection[OutcomeClass], now: datetime) -> dict[Any, str]:
    news: dict[Any, str] = {}
    if OutcomeClass.ACCEPTED in outcomes:
        news["accepted_at"] = now.isoformat()
    failures = [outcome for outcome in outcomes if outcome is not OutcomeClass.ACCEPTED]
    if failures:
        news |= {"failed_at": now.isoformat(), "failure": failures[-1].value}
    return news


def _glance(circuit: bytes | None, stored: Mapping[bytes, bytes]) -> Glance:
    news = {read_text(name): read_text(value) for name, value in stored.items()}
    failure = news.get("failure")
    return Glance(
        circuit=circuit_of(read_text(circuit)),
        accepted_at=_instant(news.get("accepted_at")),
        failed_at=_instant(news.get("failed_at")),
        failure=OutcomeClass(failure) if failure else None,
    )
