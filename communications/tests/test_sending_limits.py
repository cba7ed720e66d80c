"""Circuits and rates as all workers share them, in a real cache, and alone while that is away."""

import threading
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from communications.choices import AttentionKind, OutcomeClass
from communications.connectors.base import Outcome, OutgoingMessage
from communications.rules.circuit import CLOSED, Circuit, CircuitState, after
from communications.rules.rate_limit import Rate, take
from communications.services import circuits, sending_limits
from communications.services.rate_tokens import (
    as_us,
    connector_bucket,
    from_us,
    recipient_bucket,
    take_tokens,
)
from core import attention
from core.choices import Channel
from core.models import AttentionItem
from core.shared_state import shared_key, with_shared_state
from core.tests.api.callers import own_cache  # noqa: F401 - an autouse fixture
from core.tests.races import at_once

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(seconds=60)
ACCEPTED, TRANSIENT, CONFIG = OutcomeClass.ACCEPTED, OutcomeClass.TRANSIENT, OutcomeClass.CONFIG


@dataclass
class Provider:
    """A connector that nobody calls: only its name and channel matter here."""

    name: str = "smtp"
    channel: ClassVar[Channel] = Channel.EMAIL
    concurrency: int = 16

    def send(self, message: OutgoingMessage) -> Outcome:
        raise AssertionError("nobody calls it")

    def close(self) -> None:
        raise AssertionError("nobody opened it")


SMTP = Provider()


@pytest.fixture
def no_cache(settings: Settings) -> None:
    """The cache's server is away: nothing listens there."""
    caches = deepcopy(settings.CACHES)
    caches["default"]["LOCATION"] = "redis://127.0.0.1:1/0"
    settings.CACHES = caches


@pytest.fixture(params=["shared", "alone"])
def with_and_without_cache(request: pytest.FixtureRequest) -> None:
    if request.param == "alone":
        request.getfixturevalue("no_cache")


def ask(wanted: int = 16, now: datetime = NOW) -> sending_limits.Permit:
    return sending_limits.ask(SMTP, wanted=wanted, now=now)


def report(*outcomes: OutcomeClass, now: datetime = NOW) -> CircuitState:
    return sending_limits.report(SMTP, outcomes, now=now)


@pytest.mark.usefixtures("with_and_without_cache")
class TestCircuits:
    def test_all_is_well_until_something_happens(self) -> None:
        permit = ask()
        assert (permit.granted, permit.retry_at, permit.circuit) == (16, None, CircuitState.CLOSED)

    def test_five_failures_in_a_row_in_several_groups_open_it(self) -> None:
        report(TRANSIENT, TRANSIENT)
        report(OutcomeClass.RECIPIENT, TRANSIENT, TRANSIENT)
        assert ask().granted == 16
        assert report(TRANSIENT) is CircuitState.OPEN
        permit = ask()
        assert (permit.granted, permit.retry_at, permit.circuit) == (0, NOW + MINUTE, CircuitState.OPEN)

    def test_after_a_minute_one_call_finds_out_and_an_acceptance_closes_it(self) -> None:
        report(CONFIG)
        later = NOW + MINUTE
        probe, other = ask(now=later), ask(now=later)
        assert (probe.granted, probe.circuit) == (1, CircuitState.HALF_OPEN)
        assert (other.granted, other.retry_at) == (0, later + MINUTE)
        assert report(ACCEPTED, now=later) is CircuitState.CLOSED
        assert ask(now=later).granted == 16

    def test_a_probe_that_fails_costs_another_minute(self) -> None:
        report(CONFIG)
        assert ask(now=NOW + MINUTE).granted == 1
        report(CONFIG, now=NOW + MINUTE)
        assert ask(now=NOW + MINUTE).granted == 0
        assert ask(now=NOW + 2 * MINUTE).granted == 1

    def test_a_probe_that_was_not_made_is_given_to_the_next(self) -> None:
        report(CONFIG)
        assert ask(now=NOW + MINUTE).granted == 1
        report(now=NOW + MINUTE)
        assert ask(now=NOW + MINUTE).granted == 1

    def test_one_provider_does_not_stop_another(self) -> None:
        report(CONFIG)
        assert sending_limits.ask(Provider("other"), wanted=5, now=NOW).granted == 5


class TestSharedCircuits:
    def test_of_many_workers_one_gets_the_probe(self) -> None:
        report(CONFIG)
        permits = at_once(8, lambda: ask(now=NOW + MINUTE))
        assert sorted(permit.granted for permit in permits) == [0] * 7 + [1]

    def test_no_failure_is_lost_between_workers(self) -> None:
        at_once(4, lambda: report(TRANSIENT))
        assert ask().known == Circuit(failures=4)
        assert report(TRANSIENT) is CircuitState.OPEN

    def test_the_item_about_our_account_settles_itself(self) -> None:
        def item() -> AttentionItem:
            return attention.raise_item(
                kind=AttentionKind.PROVIDER_CONFIGURATION,
                dedupe_key=Channel.EMAIL.value,
                target="provider:smtp",
                details={"code": "535 5.7.8"},
                now=NOW,
            )

        item()
        report(CONFIG)
        assert AttentionItem.objects.get().resolved_at is None
        report(ACCEPTED, now=NOW + MINUTE)
        assert AttentionItem.objects.get().resolved_by == attention.SETTLED_ITSELF

    def test_what_happened_last_is_known_to_whoever_looks(self) -> None:
        report(ACCEPTED)
        report(OutcomeClass.RECIPIENT, TRANSIENT, now=NOW + MINUTE)
        found = circuits.glance_at(["smtp", "other"])
        assert found is not None
        glance = found["smtp"]
        assert (glance.accepted_at, glance.failed_at, glance.failure) == (NOW, NOW + MINUTE, TRANSIENT)
        assert glance.circuit == Circuit(failures=1)
        assert found["other"] == circuits.Glance(CLOSED)

    def test_without_the_cache_nobody_knows(self, no_cache: None) -> None:
        assert circuits.glance_at(["smtp"]) is None

    def test_a_group_costs_one_round_trip_each(self, settings: Settings) -> None:
        settings.SMTP_MAX_PER_SECOND = "1000"
        for act in (ask, lambda: report(ACCEPTED)):
            before = _commands()
            act()
            sent = _commands() - before
            # Whatever a group of 16 needs: at most a look, a take or two lines of news, never one for each message.
            assert sent <= 4


def _commands() -> int:
    """How many commands this server worked off, without the asking for it."""
    info: Any = with_shared_state(lambda client: client.info("commandstats"))
    return sum(
        info.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("get", "eval", "hset", "pexpire", "set")
    )


class TestRates:
    def test_all_workers_together_keep_the_rate(self, settings: Settings) -> None:
        settings.SMTP_MAX_PER_SECOND = "20"
        permits = at_once(6, lambda: ask(8))
        assert sum(permit.granted for permit in permits) == 20
        short = [permit for permit in permits if permit.granted < 8]
        assert {permit.circuit for permit in permits} == {CircuitState.CLOSED}
        assert all(
            permit.retry_at and NOW < permit.retry_at <= NOW + timedelta(seconds=1) for permit in short
        )
        assert ask(8, NOW + timedelta(seconds=0.2)).granted == 4

    def test_without_the_cache_each_takes_its_share(self, settings: Settings, no_cache: None) -> None:
        settings.SMTP_MAX_PER_SECOND = "20"
        settings.CRM_WORKERS_SHARE = 4
        assert [ask(8).granted for _ in range(3)] == [5, 0, 0]
        assert ask(8, NOW + timedelta(seconds=0.2)).granted == 1
        assert ask(8, NOW + timedelta(seconds=10)).granted == 5

    def test_each_recipient_has_a_bucket_of_its_own(self) -> None:
        """One message every six seconds to the same number, as WhatsApp asks; by hash, never by number."""
        pair = Rate(interval_us=6_000_000, burst=1)
        buckets = [recipient_bucket("whatsapp", index) for index in ("a" * 64, "b" * 64)]
        both = take_tokens(buckets, pair, [1, 1], now=NOW)
        assert [taken.granted for taken in both] == [1, 1]
        again = take_tokens([*buckets, recipient_bucket("whatsapp", "c" * 64)], pair, [1, 1, 1], now=NOW)
        assert [taken.granted for taken in again] == [0, 0, 1]
        assert from_us(again[0].next_at_us) == NOW + timedelta(seconds=6)

    @hypothesis_settings(
        deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(
        rate=st.builds(Rate, interval_us=st.integers(10, 60_000_000), burst=st.integers(1, 1000)),
        steps=st.lists(st.tuples(st.integers(-5_000_000, 10_000_000), st.integers(0, 100)), max_size=12),
    )
    def test_the_script_reckons_as_the_rule_does(self, rate: Rate, steps: list[Any]) -> None:
        key = shared_key(f"tokens:{uuid4()}")
        full_at, now = 0, as_us(NOW)
        for waited, wanted in steps:
            now += waited
            expected = take(full_at, rate, wanted=wanted, now_us=now)
            (found,) = take_tokens([key], rate, [wanted], now=from_us(now))
            assert found == expected
            full_at = expected.full_at_us if expected.granted else full_at

    def test_names_of_buckets_differ(self) -> None:
        assert connector_bucket("smtp") != connector_bucket("sms") != recipient_bucket("sms", "a")


def test_threads_of_one_process_share_what_it_knows_alone(no_cache: None) -> None:
    barrier = threading.Barrier(4)

    def fail() -> None:
        barrier.wait(60)
        report(TRANSIENT)

    threads = [threading.Thread(target=fail) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ask().known == after(CLOSED, [TRANSIENT] * 4, NOW)
