from datetime import UTC, datetime, timedelta

import pytest

from communications.choices import AttemptStatus, ReceiptKind, Status
from communications.rules import receipts as rules

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def test_every_kind_has_a_rule():
    known = set(rules._SHOWS) | rules.IGNORED | {ReceiptKind.UNREAD, ReceiptKind.AUTO_REPLY}
    assert known == set(ReceiptKind)


@pytest.mark.parametrize(
    ("occurred", "instant"),
    [
        pytest.param(NOON, NOON, id="the provider's clock"),
        pytest.param(None, NOON + timedelta(minutes=5), id="no time: when we were told"),
        pytest.param(NOON + timedelta(days=1), NOON + timedelta(minutes=5), id="never after we were told"),
        pytest.param(NOON - timedelta(days=9), NOON - timedelta(minutes=5), id="never before the call"),
    ],
)
def test_a_wrong_clock_moves_nothing_out_of_what_can_be(occurred, instant):
    received, started = NOON + timedelta(minutes=5), NOON - timedelta(minutes=5)
    assert rules.instant_of(occurred, received_at=received, started_at=started) == instant


def test_a_program_that_opens_shows_nothing():
    for kind in (ReceiptKind.OPENED, ReceiptKind.CLICKED):
        assert rules.shows(kind, by_machine=True) is None
        assert rules.times_of(kind, by_machine=True) == []


def test_that_it_was_taken_is_no_news_of_one_that_came_back():
    steps = rules.reached(
        ReceiptKind.ACCEPTED,
        by_machine=False,
        before=AttemptStatus.UNKNOWN,
        after=AttemptStatus.UNDELIVERED,
    )
    assert steps == []


def test_a_click_implies_what_comes_before_it():
    steps = rules.reached(
        ReceiptKind.CLICKED,
        by_machine=False,
        before=AttemptStatus.ACCEPTED,
        after=AttemptStatus.DELIVERED,
    )
    assert steps == [Status.DELIVERED, Status.OPENED, Status.CLICKED]


def test_waiting_grows_to_an_hour():
    waits = [rules.look_again_after(looks) for looks in (0, 1, 5, 50, 1_000)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(seconds=2), timedelta(hours=1))


def test_that_it_was_taken_is_told_once():
    """Else a provider's second word of it would drop a fallback that waits because no delivery was told."""
    known = AttemptStatus.ACCEPTED
    assert rules.reached(ReceiptKind.ACCEPTED, by_machine=False, before=known, after=known) == []
