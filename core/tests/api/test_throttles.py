import pytest
from django.test import RequestFactory, override_settings
from hypothesis import given
from hypothesis import strategies as st

from core.api import throttles
from core.api.rates import Rate, measure
from core.api.throttles import LocalCounts, count_call, count_sign_in, network_of
from core.tests.api.callers import assert_problem, nobody
from core.tests.races import at_once

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


class TestSignInsWithoutTheCache:
    """SEC-7: guessing a secret stays slow while the cache is away."""

    AT = 600_000_000.0

    @pytest.fixture(autouse=True)
    def no_cache(self, settings, monkeypatch):
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "unix:///nowhere.sock"}}
        settings.CRM_THROTTLE_RATES = {**settings.CRM_THROTTLE_RATES, "token": "3/h"}
        monkeypatch.setattr(throttles, "_local_counts", LocalCounts(max_identities=10))

    def test_the_process_counts_for_itself(self):
        request = RequestFactory().post("/", REMOTE_ADDR="192.0.2.1")
        assert [count_sign_in(request).allowed for _ in range(5)] == [True, True, True, False, False]
        assert count_sign_in(RequestFactory().post("/", REMOTE_ADDR="192.0.2.2")).allowed

    def test_it_slides_and_takes_refused_calls_back_like_the_cache(self):
        local, rate = LocalCounts(max_identities=10), Rate(limit=2, period_seconds=60)
        assert [local.count("x", rate, at=self.AT).allowed for _ in range(4)] == [True, True, False, False]
        assert local.count("x", rate, at=self.AT + 60).allowed is False
        assert local.count("x", rate, at=self.AT + 31 + 60).allowed is True
        assert local.count("x", rate, at=self.AT + 180).remaining == 1

    def test_it_remembers_a_bounded_number_of_networks(self):
        local, rate = LocalCounts(max_identities=2), Rate(limit=1, period_seconds=60)
        assert all(local.count(name, rate, at=self.AT).allowed for name in "abc")
        assert not local.count("c", rate, at=self.AT).allowed
        assert local.count("a", rate, at=self.AT).allowed

    def test_threads_count_together(self):
        local, rate = LocalCounts(max_identities=2), Rate(limit=10, period_seconds=60)
        answers = at_once(20, lambda: local.count("x", rate, at=self.AT).allowed)
        assert sum(answers) == 10


@pytest.mark.django_db
class TestSigningIn:
    @pytest.fixture(autouse=True)
    def rate(self, settings):
        settings.CRM_THROTTLE_RATES = {**settings.CRM_THROTTLE_RATES, "token": "3/h"}

    def attempt(self, network="192.0.2.1"):
        form = {"username": "staff", "password": "wrong"}
        return nobody().client.post("/login/", form, REMOTE_ADDR=network)

    def test_guessing_is_slowed_down_and_explained(self):
        answers = [self.attempt() for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert "Too many attempts to sign in" in answers[3].text
        assert 0 < int(answers[3]["Retry-After"]) <= 7200
        assert self.attempt("192.0.2.2").status_code == 200
        assert nobody().client.get("/login/", REMOTE_ADDR="192.0.2.1").status_code == 200

    def test_programs_and_people_share_the_count(self):
        for _ in range(3):
            self.attempt()
        body = b'{"name": "agent", "secret": "wrong"}'
        answer = nobody().client.post(
            "/api/crm/token", body, content_type="application/json", REMOTE_ADDR="192.0.2.1"
        )
        assert_problem(answer, 429, "throttled")
