"""Who gets how much of a claim (engine.md §Delivery: urgent first, nobody starves)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communications.rules.message_types import PRIORITIES
from communications.rules.shares import (
    CLAIM_SECONDS,
    LARGEST_CLAIM,
    SHARED_FROM,
    SMALLEST_CLAIM,
    claim_size,
    kept_for_later,
)


def taken(due, limit):
    """What a claim takes of each priority when so much of each is due: the queue's SQL in plain words."""
    counts = []
    for waiting, kept in zip(due, kept_for_later(PRIORITIES, limit), strict=True):
        counts.append(min(waiting, max(limit - kept - sum(counts), 0)))
    return counts


ENDLESS = 10**6


@pytest.mark.parametrize(
    ("due", "claimed"),
    [
        ([0, 0, 0, ENDLESS], [0, 0, 0, 100]),
        ([3, 0, 0, ENDLESS], [3, 0, 0, 97]),
        ([0, 0, 40, ENDLESS], [0, 0, 40, 60]),
        ([0, 0, ENDLESS, ENDLESS], [0, 0, 95, 5]),
        ([0, ENDLESS, ENDLESS, ENDLESS], [0, 75, 20, 5]),
        ([ENDLESS, ENDLESS, ENDLESS, ENDLESS], [75, 0, 20, 5]),
        ([0, ENDLESS, 0, 0], [0, 75, 0, 0]),
    ],
)
def test_the_most_urgent_first_and_a_part_for_normal_and_low(due, claimed):
    assert taken(due, 100) == claimed


@given(st.lists(st.integers(0, 1000), min_size=4, max_size=4), st.integers(1, LARGEST_CLAIM))
def test_a_claim_never_grows_over_its_limit_and_is_empty_only_if_nothing_is_due(due, limit):
    counts = taken(due, limit)
    assert sum(counts) <= limit
    assert any(counts) == any(due)


@given(st.integers(SHARED_FROM, LARGEST_CLAIM))
def test_whoever_waits_gets_on_whatever_keeps_coming(limit):
    assert all(taken([0, ENDLESS, ENDLESS, ENDLESS], limit)[1:])
    assert taken([ENDLESS] * 4, limit)[0] > limit // 2


def test_a_claim_of_one_is_the_most_urgent():
    assert taken([0, 1, 1, 1], 1) == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("sent", "seconds", "size"),
    [
        pytest.param(24, 0.04, LARGEST_CLAIM, id="fast"),
        pytest.param(100, 2.0, 100, id="as fast as wished"),
        pytest.param(24, 24.0, SMALLEST_CLAIM, id="slow"),
        pytest.param(0, 1.0, SMALLEST_CLAIM, id="nothing known"),
    ],
)
def test_claims_are_small_while_a_provider_is_slow(sent, seconds, size):
    assert claim_size(sent=sent, seconds=seconds) == size


@given(st.integers(1, LARGEST_CLAIM), st.floats(0.001, 600))
def test_a_claim_keeps_a_worker_busy_for_about_two_seconds(sent, seconds):
    size = claim_size(sent=sent, seconds=seconds)
    assert size == SMALLEST_CLAIM or size * seconds / sent <= CLAIM_SECONDS + 0.001
