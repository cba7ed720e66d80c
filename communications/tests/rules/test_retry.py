"""The outcome table: every class, and what its numbers bound (REL-1, REL-2, REL-3, MSG-7, MSG-12)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from communications.choices import Cause, OutcomeClass, Status, Urgency
from communications.rules.lifecycle import decide
from communications.rules.retry import (
    RATE_LIMIT_MAX,
    Action,
    CallFacts,
    move_of,
    next_step,
    rate_limit_delay,
    retry_delay,
)
from core.choices import Channel

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


def step(outcome, **values):
    values.setdefault("channel", Channel.SMS)
    values.setdefault("urgency", Urgency.NORMAL)
    values.setdefault("deadline", NOW + WEEK)
    return next_step(CallFacts(outcome=OutcomeClass(outcome), now=NOW, **values))


@pytest.mark.parametrize("outcome", list(OutcomeClass))
@pytest.mark.parametrize("has_fallback", [True, False])
def test_every_class_has_a_next_step(outcome, has_fallback):
    found = step(outcome, has_fallback=has_fallback)
    assert found.reason.text
    assert (found.due_at is not None) is (found.action in {Action.RETRY, Action.PUT_BACK})


@pytest.mark.parametrize(
    ("outcome", "values", "action", "reason"),
    [
        ("accepted", {}, "sent", "accepted"),
        ("ambiguous", {"has_fallback": True}, "in_doubt", "outcome_unknown"),
        ("transient", {}, "retry", "retry_later"),
        ("transient", {"retries_spent": 3}, "failed", "retries_used_up"),
        ("transient", {"retries_spent": 3, "has_fallback": True}, "fallback", "retries_used_up"),
        ("rate_limited", {}, "put_back", "rate_limited"),
        ("rate_limited", {"retries_spent": 3}, "put_back", "rate_limited"),
        ("deferred_long", {}, "put_back", "deferred_long"),
        (
            "deferred_long",
            {"deadline": NOW + timedelta(hours=24), "has_fallback": True},
            "fallback",
            "too_late",
        ),
        ("recipient", {"has_fallback": True}, "fallback", "recipient_refused"),
        ("recipient", {}, "failed", "recipient_refused"),
        ("weak_recipient", {"has_fallback": True}, "retry", "retry_later"),
        ("weak_recipient", {"weak_before": 1, "has_fallback": True}, "fallback", "recipient_unsure"),
        ("weak_recipient", {"weak_in_a_row": 3, "has_fallback": True}, "fallback", "recipient_unsure"),
        ("content", {"has_fallback": True}, "fallback", "content_refused"),
        ("needs_template", {"template_ready": True}, "retry", "needs_template"),
        ("needs_template", {"has_fallback": True}, "fallback", "no_template"),
        ("opted_out", {"has_fallback": True}, "fallback", "opted_out"),
        ("opted_out", {}, "failed", "opted_out"),
        ("config", {"has_fallback": True}, "fallback", "configuration"),
        ("config", {}, "failed", "configuration"),
        ("config", {"channel": Channel.EMAIL, "has_fallback": True}, "put_back", "configuration_hold"),
        (
            "config",
            {"channel": Channel.EMAIL, "urgency": Urgency.CRITICAL, "has_fallback": True},
            "fallback",
            "configuration",
        ),
        (
            "config",
            {"channel": Channel.EMAIL, "deadline": NOW + timedelta(minutes=5), "has_fallback": True},
            "failed",
            "too_late",
        ),
    ],
)
def test_the_outcome_table(outcome, values, action, reason):
    found = step(outcome, **values)
    assert (found.action, found.reason.code) == (action, reason)


@pytest.mark.parametrize(
    ("outcome", "values", "flags"),
    [
        ("transient", {}, {"spends_retry"}),
        ("rate_limited", {}, set()),
        ("deferred_long", {}, set()),
        ("recipient", {"has_fallback": True}, {"mark_undeliverable"}),
        ("weak_recipient", {}, {"spends_retry"}),
        ("weak_recipient", {"weak_before": 1, "weak_in_a_row": 2}, set()),
        ("weak_recipient", {"weak_in_a_row": 3}, {"mark_undeliverable"}),
        ("content", {}, set()),
        ("config", {}, set()),
        ("config", {"channel": Channel.EMAIL}, set()),
        ("opted_out", {}, set()),
        ("needs_template", {"template_ready": True}, set()),
        ("accepted", {}, set()),
        ("ambiguous", {}, set()),
    ],
)
def test_what_else_an_outcome_does(outcome, values, flags):
    found = step(outcome, **values)
    names = ("spends_retry", "mark_undeliverable")
    assert {name for name in names if getattr(found, name)} == flags


@pytest.mark.parametrize(
    ("outcome", "cause"),
    [
        ("transient", Cause.RETRY),
        ("weak_recipient", Cause.RETRY),
        ("needs_template", Cause.RETRY),
        ("rate_limited", Cause.RATE_LIMITED),
        ("deferred_long", Cause.DEFERRED),
        ("config", Cause.CONFIGURATION),
    ],
)
def test_why_it_goes_back_to_the_queue(outcome, cause):
    for action in (Action.RETRY, Action.PUT_BACK):
        assert move_of(action, OutcomeClass(outcome)) == (Status.SCHEDULED, cause)


@pytest.mark.parametrize("outcome", OutcomeClass)
def test_the_next_channel_is_a_cause_of_its_own_whatever_the_class(outcome):
    assert move_of(Action.FALLBACK, outcome) == (Status.SCHEDULED, Cause.NEXT_CHANNEL)


@pytest.mark.parametrize(("spent", "minutes"), [(0, 1), (1, 5), (2, 15)])
@pytest.mark.parametrize(("jitter", "factor"), [(0.0, 0.9), (0.5, 1.0), (1.0, 1.1)])
def test_retries_after_1_5_and_15_minutes(spent, minutes, jitter, factor):
    """REL-1"""
    found = step("transient", retries_spent=spent, jitter=jitter)
    assert found.due_at == NOW + timedelta(minutes=minutes) * factor


@pytest.mark.parametrize(
    ("put_backs", "seconds"), [(0, 5), (1, 10), (2, 20), (7, 640), (8, 900), (10_000, 900)]
)
def test_rate_limits_back_off(put_backs, seconds):
    """MSG-12"""
    assert step("rate_limited", put_backs=put_backs).due_at == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("outcome", ["transient", "rate_limited", "deferred_long", "weak_recipient"])
@pytest.mark.parametrize("asked", [timedelta(0), timedelta(seconds=90), timedelta(hours=6)])
def test_retry_after_wins(outcome, asked):
    assert step(outcome, retry_after=asked).due_at == NOW + asked


def test_retry_after_in_the_past_means_at_once():
    assert step("transient", retry_after=timedelta(seconds=-5)).due_at == NOW


@pytest.mark.parametrize("outcome", [name for name in OutcomeClass if name not in {"accepted", "ambiguous"}])
def test_past_the_deadline_it_has_failed(outcome):
    late = step(outcome, deadline=NOW, has_fallback=True, template_ready=True)
    assert late.action is Action.FAILED


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"outcome": "transient"}, "A passing trouble: tried again in 1 minute."),
        ({"outcome": "transient", "retries_spent": 2}, "A passing trouble: tried again in 15 minutes."),
        ({"outcome": "rate_limited"}, "The provider asked us to slow down: put back for 5 seconds."),
        ({"outcome": "deferred_long"}, "The provider takes it only later: put back for 24 hours."),
    ],
)
def test_sentences(values, text):
    assert step(**values).reason.text == text


@settings(max_examples=300, deadline=None)
@given(
    st.builds(
        CallFacts,
        outcome=st.sampled_from(OutcomeClass),
        channel=st.sampled_from(Channel),
        urgency=st.sampled_from(Urgency),
        now=st.just(NOW),
        deadline=st.timedeltas(-WEEK, WEEK).map(lambda later: NOW + later),
        retries_spent=st.integers(0, 5),
        put_backs=st.integers(0, 100),
        weak_before=st.integers(0, 3),
        weak_in_a_row=st.integers(1, 5),
        has_fallback=st.booleans(),
        template_ready=st.booleans(),
        retry_after=st.none() | st.timedeltas(-WEEK, 2 * WEEK),
        jitter=st.floats(0, 1, exclude_max=True),
    )
)
def test_nothing_waits_past_its_deadline_or_retries_for_ever(facts):
    found = next_step(facts)
    if found.due_at is not None:
        assert NOW <= found.due_at < facts.deadline
    to, cause = move_of(found.action, facts.outcome)
    assert decide(Status.SENDING, to, cause) is to, (
        "every class with every action is a move that the table knows"
    )
    if found.action is Action.FALLBACK:
        assert facts.has_fallback
    if found.spends_retry:
        assert found.action is Action.RETRY
        assert facts.retries_spent < 3


@given(st.integers(0, 2), st.integers(0, 10**6), st.floats(0, 1, exclude_max=True))
def test_delays_stay_within_a_tenth(spent, put_backs, jitter):
    minutes = (1, 5, 15)[spent]
    assert timedelta(minutes=minutes) * 0.9 <= retry_delay(spent, jitter) <= timedelta(minutes=minutes) * 1.1
    assert rate_limit_delay(put_backs, jitter) <= RATE_LIMIT_MAX * 1.1
