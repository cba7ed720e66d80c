"""Decisions against the oracle: by simulation, and by property over any facts (STR-3, PRF-3, PRF-4, STR-5)."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from communications.choices import MessageType, Urgency
from communications.rules.daily_cap import DailyCap
from communications.rules.facts import ChannelFacts, Facts, PreferenceFacts
from communications.rules.message_types import MESSAGE_TYPES, REQUESTED_TYPES
from communications.rules.strategy import decide
from communications.tests.rules import oracle
from communications.tests.rules.simulation import broken_rules, change_days, draw, main, simulate, zones
from core.choices import Channel
from preferences.choices import Frequency
from preferences.rules.windows import SettingRefused, Window, check_quiet_hours

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
KOLKATA = ZoneInfo("Asia/Kolkata")
ROME = ZoneInfo("Europe/Rome")
OPEN = ChannelFacts(has_contact_point=True, consent_allowed=True, configured=True)
NIGHT = datetime(2026, 11, 21, 20, tzinfo=UTC)


def test_a_simulation_finds_no_violation():
    result = simulate(20_000, seed=20_261_121)
    assert result.violations == 0, result.examples
    assert result.requests == 20_000
    assert result.seconds > 0


def test_as_a_command_it_ends_with_one_line_of_json(capsys):
    assert main(["--requests", "300", "--seed", "5"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["requests"], told["violations"], told["seed"], told["examples"]) == (300, 0, 5, [])
    assert told["decisions_per_second"] > 0
    assert told["zones"] > 400


def test_a_decision_that_breaks_a_rule_is_counted_and_told(monkeypatch, capsys):
    """In another place than the rules: what is expected of them is changed."""
    monkeypatch.setattr(oracle, "slot_time", lambda facts: time(17))
    assert main(["--requests", "300", "--seed", "5"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["violations"] > 0
    assert "and not at" in told["examples"][0]


def test_the_same_seed_draws_the_same():
    assert draw(Random(7), 50) == draw(Random(7), 50)
    assert draw(Random(7), 50) != draw(Random(8), 50)


def test_it_draws_all_that_matters():
    random = Random(1)
    drawn = [facts for _ in range(100) for facts in draw(random, 20)]
    assert {facts.rule.name for facts in drawn} == set(REQUESTED_TYPES)
    assert {facts.urgency for facts in drawn} == set(Urgency)
    assert len({facts.zone for facts in drawn}) > 50
    assert {facts.preferences.frequency for facts in drawn} == set(Frequency)
    decided = [decide(facts) for facts in drawn]
    found = {reason.code for strategy in decided for reason in strategy.reasons}
    assert found >= {
        "more_engagement",
        "low_engagement",
        "frequency_cap",
        "best_hour",
        "client_frequency",
        "slot_gave_way",
        "joins_digest",
        "deadline_passed",
        "paused",
        "send_at",
        "quiet_hours",
        "night",
        "sms_hours",
        "contact_window",
        "contact_window_gave_way",
        "digest_slot",
        "expired",
        "event_passed",
        "erased",
        "no_open_channel",
        "cannot_meet_deadline",
    }
    near_change = [
        facts
        for facts in drawn
        if any(abs((facts.now.date() - day).days) <= 2 for day in change_days(facts.zone))
    ]
    assert len(near_change) > 100


def a_strategy(**changes):
    facts = Facts(
        rule=MESSAGE_TYPES[MessageType.VENDOR_OPTIONS],
        urgency=Urgency.HIGH,
        now=NIGHT,
        zone=KOLKATA,
        channels=dict.fromkeys(Channel, OPEN),
        **changes,
    )
    return facts, decide(facts)


def tampered(strategy, **changes):
    first, *others = strategy.deliveries
    return replace(strategy, deliveries=(replace(first, **changes), *others))


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda s: tampered(s, send_at=NIGHT), id="in the night"),
        pytest.param(lambda s: tampered(s, send_at=s.deliveries[0].send_at + MINUTE), id="a minute late"),
        pytest.param(lambda s: tampered(s, send_at=s.deliveries[0].send_at - MINUTE), id="a minute early"),
        pytest.param(
            lambda s: tampered(s, send_before=s.deliveries[0].send_before + HOUR), id="until after the window"
        ),
        pytest.param(lambda s: replace(s, deliveries=s.deliveries[::-1]), id="another primary"),
        pytest.param(lambda s: replace(s, deliveries=s.deliveries[:2]), id="a companion is missing"),
        pytest.param(lambda s: replace(s, fallbacks=(Channel.SMS,)), id="a sibling as fallback"),
        pytest.param(lambda s: replace(s, reasons=()), id="no reason"),
        pytest.param(lambda s: replace(s, batch_key="email:service:2026-11-22"), id="high in a digest"),
    ],
)
def test_the_oracle_sees_what_is_wrong(spoil):
    facts, strategy = a_strategy()
    assert not list(broken_rules(facts, strategy))
    assert list(broken_rules(facts, spoil(strategy)))


def test_the_oracle_sees_a_closed_channel():
    facts, strategy = a_strategy()
    closed = {**facts.channels, Channel.SMS: replace(OPEN, consent_allowed=False)}
    assert list(broken_rules(replace(facts, channels=closed), strategy))


def _is_possible(quiet):
    try:
        check_quiet_hours(quiet.start, quiet.end)
    except SettingRefused:
        return False
    return True


clock_times = st.times().map(lambda at: at.replace(second=0, microsecond=0))
windows = (
    st.tuples(clock_times, clock_times)
    .filter(lambda pair: pair[0] != pair[1])
    .map(lambda pair: Window(*pair))
    .filter(_is_possible)
)
instants = st.integers(0, 10 * 366 * 24 * 60).map(lambda n: datetime(2026, 1, 1, tzinfo=UTC) + n * MINUTE)
channel_facts = st.builds(
    ChannelFacts,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    undeliverable=st.booleans(),
    engaged=st.lists(st.booleans(), max_size=4).map(tuple),
)


@st.composite
def any_facts(draw):
    zone, now = draw(st.sampled_from(zones())), draw(instants)
    if change_days(zone) and draw(st.booleans()):
        day = draw(st.sampled_from(change_days(zone)))
        now = datetime.combine(day, time(), tzinfo=UTC) + draw(st.integers(-2000, 2000)) * MINUTE
    near = st.none() | st.integers(-2000, 9 * 1440).map(lambda n: now + n * MINUTE)
    days = st.integers(-2, 4).map(lambda n: now.date() + timedelta(days=n))
    caps = st.builds(
        DailyCap, st.integers(1, 4), st.dictionaries(days, st.integers(0, 5)), st.frozensets(days, max_size=3)
    )
    return Facts(
        rule=draw(st.sampled_from([MESSAGE_TYPES[name] for name in REQUESTED_TYPES])),
        urgency=draw(st.sampled_from(Urgency)),
        now=now,
        zone=zone,
        channels=draw(st.dictionaries(st.sampled_from(Channel), channel_facts)),
        preferences=PreferenceFacts(
            channels=draw(st.none() | st.lists(st.sampled_from(Channel), unique=True, min_size=1).map(tuple)),
            quiet_hours=draw(st.none() | windows),
            pause_until=draw(near),
            frequency=draw(st.sampled_from(Frequency)),
        ),
        preferred_channel=draw(st.none() | st.sampled_from(Channel)),
        send_at=draw(near),
        deliver_by=draw(near),
        event_date=draw(st.none() | days),
        daily_cap=draw(st.none() | caps),
        engagements_by_hour=draw(st.dictionaries(st.integers(0, 23), st.integers(0, 6))),
        expects_answer=draw(st.booleans()),
        digests=draw(st.booleans()),
    )


@settings(max_examples=400, deadline=None)
@given(any_facts())
def test_any_decision_is_the_oracles(facts):
    """Never in the night unless critical, never on a closed channel, and the earliest time that is allowed."""
    assert not list(broken_rules(facts, decide(facts)))


@settings(max_examples=300, deadline=None)
@given(any_facts(), st.integers(0, 3 * 1440))
def test_a_later_now_never_sends_earlier(facts, minutes):
    later = replace(facts, now=facts.now + minutes * MINUTE)
    sooner_at = {delivery.channel: delivery.send_at for delivery in decide(facts).deliveries}
    for delivery in decide(later).deliveries:
        assert delivery.send_at >= sooner_at.get(delivery.channel, later.now)


def test_days_that_zones_leave_out_are_no_trouble():
    """Apia had no 30 December 2011: nights end, and slots are found, around it."""
    apia = ZoneInfo("Pacific/Apia")
    for hours in range(0, 96, 3):
        now = datetime(2011, 12, 28, tzinfo=UTC) + hours * HOUR
        for urgency in (Urgency.HIGH, Urgency.NORMAL, Urgency.LOW):
            facts = Facts(
                rule=MESSAGE_TYPES[MessageType.CUSTOM],
                urgency=urgency,
                now=now,
                zone=apia,
                channels=dict.fromkeys(Channel, OPEN),
                daily_cap=DailyCap(3, {date(2011, 12, 29): 3}),
            )
            strategy = decide(facts)
            assert strategy.send
            assert time(8) <= strategy.deliveries[0].send_at.astimezone(apia).time() < time(22)
            assert strategy.deliveries[0].send_at.astimezone(apia).date() != date(2011, 12, 29)
