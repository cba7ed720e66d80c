"""Token buckets: never more than the rate and the burst allow, and never less after a rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communications.rules.rate_limit import SECOND_US, Rate, take

NOW = 1_790_000_000 * SECOND_US
RATES = st.builds(Rate, interval_us=st.integers(10, 60 * SECOND_US), burst=st.integers(1, 1000))


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("", None),
        (" ", None),
        ("10", Rate(100_000, 10)),
        ("0.5", Rate(2_000_000, 1)),
        ("1", Rate(1_000_000, 1)),
        ("2.5", Rate(400_000, 2)),
        ("1e3", Rate(1_000, 1000)),
    ],
)
def test_rates_are_read(text, rate):
    assert Rate.parse(text) == rate


@pytest.mark.parametrize("text", ["0", "-1", "ten", "nan", "inf", "10/s", "1e9", "0.0001"])
def test_what_is_no_rate_is_named(text):
    with pytest.raises(ValueError, match="is no number of messages a second"):
        Rate.parse(text)


def test_a_burst_at_once_and_then_one_by_one():
    rate = Rate.parse("10")
    first = take(0, rate, wanted=16, now_us=NOW)
    assert (first.granted, first.next_at_us) == (10, NOW + 100_000)
    assert take(first.full_at_us, rate, wanted=6, now_us=NOW + 99_999).granted == 0
    assert take(first.full_at_us, rate, wanted=6, now_us=NOW + 100_000).granted == 1
    assert take(first.full_at_us, rate, wanted=16, now_us=NOW + SECOND_US).granted == 10


def test_slower_than_one_a_second():
    rate = Rate.parse("0.5")
    first = take(0, rate, wanted=2, now_us=NOW)
    assert (first.granted, first.next_at_us) == (1, NOW + 2 * SECOND_US)


@given(
    rate=RATES, steps=st.lists(st.tuples(st.integers(0, 10 * SECOND_US), st.integers(0, 100)), max_size=30)
)
def test_never_more_than_rate_and_burst_allow(rate, steps):
    full_at, now, granted = 0, NOW, 0
    for waited, wanted in steps:
        now += waited
        taken = take(full_at, rate, wanted=wanted, now_us=now)
        assert 0 <= taken.granted <= wanted
        if taken.granted < wanted:
            assert taken.next_at_us > now
            assert take(taken.full_at_us, rate, wanted=1, now_us=taken.next_at_us - 1).granted == 0
            assert take(taken.full_at_us, rate, wanted=1, now_us=taken.next_at_us).granted == 1
        full_at, granted = taken.full_at_us, granted + taken.granted
    assert granted <= rate.burst + (now - NOW) // rate.interval_us


@given(rate=RATES, back=st.integers(0, 10**15))
def test_a_clock_that_was_set_back_costs_one_empty_bucket_at_most(rate, back):
    full_at = take(0, rate, wanted=rate.burst, now_us=NOW).full_at_us
    after_rest = NOW - back + rate.interval_us * rate.burst
    earlier = take(full_at, rate, wanted=0, now_us=NOW - back)
    assert take(earlier.full_at_us, rate, wanted=rate.burst, now_us=after_rest).granted == rate.burst


@given(rate=RATES, workers=st.integers(1, 50))
def test_shares_together_stay_within_the_rate(rate, workers):
    share = rate.share(workers)
    assert share.interval_us == rate.interval_us * workers
    assert share.burst >= 1
    assert share.burst * workers <= max(rate.burst, workers)
