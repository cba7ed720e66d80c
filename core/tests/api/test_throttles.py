import pytest
from django.test import RequestFactory, override_settings
from hypothesis import given
from hypothesis import strategies as st

from core.api.throttles import Rate, count_call, measure, network_of

MINUTE = Rate(limit=60, period_seconds=60)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("60/min", Rate(60, 60)), ("10/s", Rate(10, 1)), ("1000/hour", Rate(1000, 3600))],
)
def test_rates_are_read(text, rate):
    assert Rate.parse(text) == rate


@pytest.mark.parametrize("text", ["", "60", "0/min", "60/fortnight", "-1/min", "x/min"])
def test_a_rate_that_cannot_be_read_is_named(text):
    with pytest.raises(ValueError, match="is not a rate"):
        Rate.parse(text)


def test_the_limit_holds_across_the_edge_of_a_window():
    assert measure(MINUTE, current=1, previous=60, elapsed_seconds=0.0).allowed is False
    assert measure(MINUTE, current=1, previous=60, elapsed_seconds=1.0).allowed is True
    assert measure(MINUTE, current=60, previous=0, elapsed_seconds=59.0).allowed is True
    assert measure(MINUTE, current=61, previous=0, elapsed_seconds=59.0).allowed is False


@given(
    limit=st.integers(1, 6000),
    previous=st.integers(0, 6000),
    elapsed=st.floats(0, 59.99),
    current=st.integers(1, 6001),
)
def test_after_the_wait_one_more_call_fits(limit, previous, elapsed, current):
    rate = Rate(limit, 60)
    previous, current = min(previous, limit), min(current, limit + 1)
    usage = measure(rate, current=current, previous=previous, elapsed_seconds=elapsed)
    if usage.allowed:
        assert 0 <= usage.remaining < limit
        return
    later = elapsed + usage.wait_seconds
    if later < 60:
        again = measure(rate, current=current, previous=previous, elapsed_seconds=later)
    else:
        again = measure(rate, current=1, previous=current - 1, elapsed_seconds=later - 60)
    assert 1 <= usage.wait_seconds <= 120
    assert again.allowed


def test_refused_calls_do_not_count():
    rate = Rate(limit=2, period_seconds=60)
    at = 600_000_000.0
    assert [count_call("x", rate, at=at).allowed for _ in range(4)] == [True, True, False, False]
    assert count_call("x", rate, at=at + 31 + 60).allowed is True


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
    ],
)
def test_callers_without_a_name_are_counted_by_network(one, other, same):
    networks = [network_of(RequestFactory().get("/", REMOTE_ADDR=address)) for address in (one, other)]
    assert (networks[0] == networks[1]) is same
    assert one not in networks[0]


def test_a_forwarded_address_counts_only_behind_a_proxy():
    spoofed = {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9, 198.51.100.7"}
    direct = network_of(RequestFactory().get("/", REMOTE_ADDR="192.0.2.1"))
    proxied = network_of(RequestFactory().get("/", REMOTE_ADDR="198.51.100.7"))
    assert network_of(RequestFactory().get("/", **spoofed)) == direct
    with override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")):
        assert network_of(RequestFactory().get("/", **spoofed)) == proxied
