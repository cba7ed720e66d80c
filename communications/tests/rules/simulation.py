"""Very many requests against the oracle: over all zones, types, urgencies, windows, pauses, channels (STR-3, PRF-4).

`.venv/bin/python -m communications.tests.rules.simulation` decides about 1,000,000 and ends with one JSON line: how
many decisions broke a rule, and how many were made in a second. It needs no server.
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from random import Random
from time import perf_counter
from zoneinfo import ZoneInfo, available_timezones

from communications.choices import Role, Urgency
from communications.rules.daily_cap import DailyCap
from communications.rules.facts import ChannelFacts, Facts, PreferenceFacts
from communications.rules.message_types import MESSAGE_TYPES, REQUESTED_TYPES
from communications.rules.strategy import Strategy, decide
from communications.tests.rules import oracle
from core.choices import Channel
from preferences.choices import Frequency
from preferences.rules.windows import SettingRefused, Window, check_quiet_hours, parse_zone

FIRST_YEAR, YEARS = 2026, 10

_BATCH = 250
_PART = 25_000
_EXAMPLES = 10
_START = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
_RULES = tuple(MESSAGE_TYPES[name] for name in REQUESTED_TYPES)
_CHANNELS = tuple(Channel)


@dataclass(frozen=True)
class SimulationResult:
    """`seconds`: spent on deciding alone. `examples` tells the first violations in words."""

    requests: int
    violations: int
    seconds: float
    examples: tuple[str, ...] = ()

    def and_then(self, later: "SimulationResult") -> "SimulationResult":
        return SimulationResult(
            self.requests + later.requests,
            self.violations + later.violations,
            self.seconds + later.seconds,
            (*self.examples, *later.examples)[:_EXAMPLES],
        )


def simulate(requests: int, seed: int) -> SimulationResult:
    """Decide about that many drawn requests and compare each decision with the oracle. The same seed draws the same."""
    random = Random(seed)
    violations, seconds, examples = 0, 0.0, []
    for size in _batches(requests):
        drawn = draw(random, size)
        began = perf_counter()
        decided = [decide(facts) for facts in drawn]
        seconds += perf_counter() - began
        for facts, strategy in zip(drawn, decided, strict=True):
            broken = list(broken_rules(facts, strategy))
            violations += bool(broken)
            if broken and len(examples) < _EXAMPLES:
                examples.append(f"{'; '.join(broken)}: {facts}")
    return SimulationResult(requests, violations, seconds, tuple(examples))


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if no decision broke a rule, else 1."""
    parser = ArgumentParser(description="Decisions about very many drawn requests, compared with the oracle.")
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=20_261_201)
    options = parser.parse_args(arguments)
    whole = SimulationResult(0, 0, 0.0)
    for part, begun in enumerate(range(0, options.requests, _PART)):
        whole = whole.and_then(simulate(min(_PART, options.requests - begun), options.seed + part))
        sys.stderr.write(f"{whole.requests:,} of {options.requests:,}\n")
    told = {
        "requests": whole.requests,
        "violations": whole.violations,
        "zones": len(zones()),
        "decisions_per_second": round(whole.requests / whole.seconds) if whole.seconds else 0,
        "seed": options.seed,
        "examples": whole.examples,
    }
    sys.stdout.write(f"{json.dumps(told)}\n")
    return 1 if whole.violations else 0


def _batches(requests: int) -> Iterator[int]:
    for begun in range(0, requests, _BATCH):
        yield min(_BATCH, requests - begun)


def broken_rules(facts: Facts, strategy: Strategy) -> Iterator[str]:
    """What is wrong with a decision, in words."""
    times = {
        channel: oracle.expected_time(facts, channel) for channel in Channel if oracle.is_open(facts, channel)
    }
    usable = {channel for channel, at in times.items() if at is not None}
    if facts.client_erased:
        usable = set()
    going, fallbacks = oracle.expected_channels(facts, usable)
    found = [delivery.channel for delivery in strategy.deliveries]
    if found != going:
        yield f"goes out on {found} and not on {going}"
    if list(strategy.fallbacks) != fallbacks:
        yield f"falls back on {strategy.fallbacks} and not on {fallbacks}"
    if [delivery.role for delivery in strategy.deliveries] != [Role.PRIMARY, Role.COMPANION, Role.COMPANION][
        : len(found)
    ]:
        yield "the first is not the primary"
    if not strategy.reasons or (strategy.refused is None) is not strategy.send:
        yield "no reason, or neither sent nor refused"
    held = bool(found) and oracle.joins_digest(facts, found[0]) and _is_slot(facts, strategy)
    if (strategy.batch_key is not None) is not held:
        yield f"its batch key is {strategy.batch_key}"
    for delivery in strategy.deliveries:
        yield from _broken_time(facts, delivery.channel, delivery.send_at, delivery.send_before, times)


def _is_slot(facts: Facts, strategy: Strategy) -> bool:
    return oracle.waits(facts) and "slot_gave_way" not in {reason.code for reason in strategy.reasons}


def _broken_time(
    facts: Facts,
    channel: Channel,
    at: datetime,
    before: datetime,
    expected: dict[Channel, datetime | None],
) -> Iterator[str]:
    if at != expected.get(channel):
        yield f"{channel} at {at} and not at {expected.get(channel)}"
    if not facts.now <= at < before <= oracle.ends_at(facts):
        yield f"{channel} may go until {before}"
    if facts.urgency is Urgency.CRITICAL:
        return
    closed = oracle.closed_stretches(facts, channel)
    for moment in (at, before - timedelta(minutes=1)):
        if moment >= at and oracle.is_closed(closed, facts.zone, moment):
            yield f"{channel} may go at {moment}, which is closed"
        if moment >= at and not time(8) <= moment.astimezone(facts.zone).time() < time(22):
            yield f"{channel} may go at {moment}, in the night"


@cache
def zones() -> tuple[ZoneInfo, ...]:
    found = []
    for name in sorted(available_timezones()):
        try:
            found.append(parse_zone(name))
        except SettingRefused:
            continue
    return tuple(found)


@cache
def change_days(zone: ZoneInfo) -> tuple[date, ...]:
    """The days on which the zone's clocks change."""
    noons = [(_START + timedelta(days=n)).astimezone(zone) for n in range(YEARS * 366)]
    return tuple(later.date() for sooner, later in pairwise(noons) if sooner.utcoffset() != later.utcoffset())


def draw(random: Random, size: int) -> list[Facts]:
    """Any requests of three days in one zone; every fourth time near a change of its clocks, where they change."""
    zone = random.choice(zones())
    days = change_days(zone) if random.random() < 0.25 else ()
    first = random.choice(days) if days else (_START + timedelta(days=random.randrange(YEARS * 365))).date()
    quiet = [_quiet_hours(random) for _ in range(6)]
    return [_request(random, zone, first, random.choice(quiet)) for _ in range(size)]


def _request(random: Random, zone: ZoneInfo, first: date, quiet_hours: Window | None) -> Facts:
    minutes = random.randrange(-1440, 2 * 1440)
    now = datetime.combine(first, time(second=random.choice((0, 0, 30))), tzinfo=UTC) + timedelta(
        minutes=minutes
    )
    rule = random.choice(_RULES)
    return Facts(
        rule=rule,
        urgency=random.choice((rule.urgency, *Urgency)),
        now=now,
        zone=zone,
        channels={channel: _channel(random) for channel in _CHANNELS if random.random() < 0.95},
        preferences=PreferenceFacts(
            channels=_chosen(random),
            quiet_hours=quiet_hours,
            pause_until=_near(random, now, 0.1),
            frequency=random.choice((Frequency.AT_ONCE, *Frequency)),
        ),
        preferred_channel=random.choice(_CHANNELS) if random.random() < 0.2 else None,
        send_at=_near(random, now, 0.2),
        deliver_by=_near(random, now, 0.2),
        event_date=now.date() + timedelta(days=random.randrange(-1, 30)) if random.random() < 0.5 else None,
        client_erased=random.random() < 0.005,
        daily_cap=_cap(random, now),
        engagements_by_hour={random.randrange(24): random.randrange(4) for _ in range(random.randrange(6))},
        has_attachments=random.random() < 0.1,
        expects_answer=random.random() < 0.1,
        digests=random.random() < 0.5,
    )


def _channel(random: Random) -> ChannelFacts:
    return ChannelFacts(
        has_contact_point=random.random() < 0.95,
        consent_allowed=random.random() < 0.9,
        suppressed=random.random() < 0.05,
        configured=random.random() < 0.95,
        undeliverable=random.random() < 0.05,
        carries_content=random.random() < 0.95,
        engaged=tuple(random.random() < 0.3 for _ in range(random.randrange(5))),
    )


def _chosen(random: Random) -> tuple[Channel, ...] | None:
    if random.random() < 0.5:
        return None
    return tuple(random.sample(_CHANNELS, random.randint(1, len(_CHANNELS))))


def _quiet_hours(random: Random) -> Window | None:
    """As they can be set: those that leave no time of the day are refused."""
    while random.random() < 0.6:
        start, end = (time(random.randrange(24), random.choice((0, 15, 30, 45))) for _ in range(2))
        try:
            return check_quiet_hours(start, end)
        except SettingRefused:
            continue
    return None


def _near(random: Random, now: datetime, share: float) -> datetime | None:
    """An instant around `now`, mostly in the days after it."""
    if random.random() >= share:
        return None
    return now + timedelta(minutes=random.randrange(-1440, 9 * 1440))


def _cap(random: Random, now: datetime) -> DailyCap | None:
    if random.random() < 0.5:
        return None
    days = [now.date() + timedelta(days=n) for n in range(-1, 5)]
    return DailyCap(
        limit=3,
        counted={day: random.randrange(5) for day in days},
        digest_days=frozenset(day for day in days if random.random() < 0.2),
    )


if __name__ == "__main__":
    raise SystemExit(main())
