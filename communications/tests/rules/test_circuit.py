"""When a provider is left in peace, how it is tried again, and what its messages do meanwhile (engine.md §Delivery)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communications.choices import OutcomeClass, Urgency
from communications.rules.circuit import (
    CLOSED,
    OPENS_AFTER,
    PATIENCE,
    PROBE_AFTER,
    Circuit,
    CircuitState,
    Stopped,
    after,
    probed,
    while_open,
)
from communications.rules.retry import Action
from core.choices import Channel

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=3)
BY_TROUBLE = Circuit(opened_at=NOW, probe_at=NOW + PROBE_AFTER)
BY_CONFIGURATION = Circuit(opened_at=NOW, probe_at=NOW + PROBE_AFTER, configuration=True)
ACCEPTED, TRANSIENT, CONFIG = OutcomeClass.ACCEPTED, OutcomeClass.TRANSIENT, OutcomeClass.CONFIG
ABOUT_THE_MESSAGE = [
    OutcomeClass.RECIPIENT,
    OutcomeClass.WEAK_RECIPIENT,
    OutcomeClass.CONTENT,
    OutcomeClass.NEEDS_TEMPLATE,
    OutcomeClass.OPTED_OUT,
]
NEITHER = [OutcomeClass.RATE_LIMITED, OutcomeClass.DEFERRED_LONG, OutcomeClass.AMBIGUOUS]


def test_it_opens_after_five_in_a_row():
    assert after(CLOSED, [TRANSIENT] * 4, NOW) == Circuit(failures=4)
    assert after(CLOSED, [TRANSIENT] * 5, NOW) == BY_TROUBLE
    assert after(Circuit(failures=4), [TRANSIENT], NOW).is_open


def test_an_acceptance_between_starts_the_count_anew():
    assert after(CLOSED, [*[TRANSIENT] * 4, ACCEPTED, *[TRANSIENT] * 4], NOW) == Circuit(failures=4)


def test_one_configuration_error_opens_it():
    assert after(CLOSED, [CONFIG], NOW) == BY_CONFIGURATION


@pytest.mark.parametrize("outcome", [*ABOUT_THE_MESSAGE, *NEITHER])
def test_what_says_nothing_of_the_provider_never_counts(outcome):
    assert after(CLOSED, [outcome] * 20, NOW) == CLOSED
    assert after(Circuit(failures=4), [outcome], NOW) == Circuit(failures=4)


def test_every_outcome_is_known_here():
    assert {*ABOUT_THE_MESSAGE, *NEITHER, ACCEPTED, TRANSIENT, CONFIG} == set(OutcomeClass)


@pytest.mark.parametrize(
    ("seconds", "state"), [(0, "open"), (59, "open"), (60, "half_open"), (3600, "half_open")]
)
def test_it_half_opens_after_a_minute(seconds, state):
    assert BY_TROUBLE.state(NOW + timedelta(seconds=seconds)) is CircuitState(state)
    assert CLOSED.state(NOW) is CircuitState.CLOSED


def test_one_call_at_a_time_finds_out():
    given_away = probed(BY_TROUBLE, LATER)
    assert given_away.state(LATER) is CircuitState.OPEN
    assert given_away.state(LATER + PROBE_AFTER) is CircuitState.HALF_OPEN  # nothing was heard of it
    assert given_away.opened_at == NOW


@pytest.mark.parametrize("circuit", [BY_TROUBLE, BY_CONFIGURATION])
class TestAProbe:
    def test_that_is_accepted_closes(self, circuit):
        assert after(circuit, [ACCEPTED], LATER) == CLOSED

    @pytest.mark.parametrize("outcome", [TRANSIENT, CONFIG])
    def test_that_fails_waits_another_minute_and_keeps_since_when(self, circuit, outcome):
        again = after(circuit, [outcome], LATER)
        assert (again.opened_at, again.probe_at) == (NOW, LATER + PROBE_AFTER)
        assert again.configuration is (outcome is CONFIG)

    @pytest.mark.parametrize("outcome", ABOUT_THE_MESSAGE)
    def test_that_only_tells_of_its_message_lets_the_next_try(self, circuit, outcome):
        told = after(probed(circuit, LATER), [outcome], LATER)
        assert told.state(LATER) is CircuitState.HALF_OPEN

    def test_that_was_not_made_lets_the_next_try(self, circuit):
        assert after(probed(circuit, LATER), [], LATER).state(LATER) is CircuitState.HALF_OPEN


def test_nothing_called_says_nothing_of_a_closed_one():
    assert after(Circuit(failures=3), [], NOW) == Circuit(failures=3)


@given(
    outcomes=st.lists(st.sampled_from(OutcomeClass), max_size=40),
    seconds=st.lists(st.integers(0, 600), min_size=40, max_size=40),
)
def test_whatever_comes_an_open_circuit_can_be_left(outcomes, seconds):
    circuit, now = CLOSED, NOW
    for outcome, waited in zip(outcomes, seconds, strict=False):
        now += timedelta(seconds=waited)
        circuit = after(circuit, [outcome], now)
        assert (circuit.opened_at is None) is (circuit.probe_at is None)
        assert circuit.failures < OPENS_AFTER
    assert circuit.state(now + PROBE_AFTER) in {CircuitState.CLOSED, CircuitState.HALF_OPEN}
    assert after(circuit, [ACCEPTED], now) == CLOSED


def stopped(channel=Channel.SMS, urgency=Urgency.NORMAL, **more):
    return Stopped(channel, urgency, **({"deadline": NOW + timedelta(days=7)} | more))


class TestWhileItIsOpen:
    def test_what_is_critical_takes_its_fallback_at_once(self):
        for channel in Channel:
            for circuit in (BY_TROUBLE, BY_CONFIGURATION):
                step = while_open(circuit, stopped(channel, Urgency.CRITICAL, has_fallback=True), NOW)
                assert step.action is Action.FALLBACK

    @pytest.mark.parametrize("urgency", [Urgency.HIGH, Urgency.NORMAL, Urgency.LOW])
    def test_other_messages_wait_for_21_minutes_first(self, urgency):
        message = stopped(urgency=urgency, has_fallback=True)
        assert timedelta(minutes=21) == PATIENCE
        waiting = while_open(BY_TROUBLE, message, NOW + timedelta(minutes=20))
        assert (waiting.action, waiting.due_at) == (Action.PUT_BACK, NOW + PATIENCE)
        assert waiting.spends_retry is False
        assert while_open(BY_TROUBLE, message, NOW + PATIENCE).action is Action.FALLBACK

    @pytest.mark.parametrize("urgency", [Urgency.HIGH, Urgency.NORMAL, Urgency.LOW])
    def test_a_mailing_never_turns_into_sms_because_our_account_is_not_in_order(self, urgency):
        step = while_open(BY_CONFIGURATION, stopped(Channel.EMAIL, urgency, has_fallback=True), LATER)
        assert (step.action, step.reason.code) == (Action.PUT_BACK, "circuit_open_configuration")

    def test_e_mail_that_is_merely_down_does_fall_back(self):
        message = stopped(Channel.EMAIL, has_fallback=True)
        assert while_open(BY_TROUBLE, message, LATER).action is Action.FALLBACK

    @pytest.mark.parametrize("urgency", list(Urgency))
    def test_without_a_fallback_it_waits_on(self, urgency):
        step = while_open(BY_TROUBLE, stopped(urgency=urgency), LATER)
        assert (step.action, step.due_at, step.reason.code) == (
            Action.PUT_BACK,
            LATER + PATIENCE,
            "circuit_open",
        )

    def test_never_beyond_its_deadline(self):
        soon = LATER + timedelta(minutes=2)
        assert while_open(BY_TROUBLE, stopped(deadline=soon), LATER).due_at == soon
