"""The lifecycle table, every pair of states and every order of receipts."""

from itertools import permutations, product

import pytest

from communications.choices import AttemptStatus, Cause, Status
from communications.rules.lifecycle import (
    ALLOWED_PAIRS,
    ATTEMPT_RANK,
    INITIAL_STATUSES,
    NEW,
    RANK,
    TABLE,
    decide,
)

ARRIVED = {"sent", "delivered", "opened", "clicked", "responded"}

# The table of engine.md once more, written out by hand.
EXPECTED = {
    # To itself: put off, or its worker lost, before its call had begun.
    "scheduled": {"scheduled", "sending", "held", "cancelled", "failed"} | ARRIVED,
    "held": {"merged", "scheduled", "cancelled"},
    "merged": {"held", "cancelled"},
    "sending": {"scheduled", "in_doubt", "failed", "cancelled"} | ARRIVED,
    "in_doubt": {"scheduled", "failed", "cancelled"} | ARRIVED,
    "sent": {"delivered", "opened", "clicked", "responded", "scheduled", "failed"},
    "delivered": {"opened", "clicked", "responded"},
    "opened": {"clicked", "responded"},
    "clicked": {"responded"},
    "responded": {"sent", "delivered", "opened", "clicked", "failed", "in_doubt"},
    "failed": {"scheduled"} | ARRIVED,
    "cancelled": set(),
}


@pytest.mark.parametrize(("source", "to"), list(product(Status, Status)), ids=lambda status: status.value)
def test_every_pair_of_states(source, to):
    allowed = to.value in EXPECTED[source.value]
    assert ((source, to) in ALLOWED_PAIRS) is allowed
    assert any(decide(source, to, cause) for cause in Cause) is allowed


def test_every_status_is_in_the_table():
    assert set(EXPECTED) == {status.value for status in Status}


def test_every_cause_is_in_the_table():
    changing = set(Cause) - {Cause.REPLANNED}
    assert {cause for move in TABLE for cause in move.causes} == changing


def test_a_pair_stands_in_one_row_only():
    pairs = [(move.source, move.to) for move in TABLE]
    assert len(pairs) == len(set(pairs))


def test_new_rows():
    assert {Status.SCHEDULED, Status.HELD, Status.CANCELLED} == INITIAL_STATUSES


@pytest.mark.parametrize(
    ("source", "to", "cause", "expected"),
    [
        pytest.param(NEW, Status.SCHEDULED, Cause.PLANNED, Status.SCHEDULED, id="new"),
        pytest.param(NEW, Status.SENDING, Cause.CLAIMED, None, id="nothing starts as sending"),
        pytest.param(NEW, Status.CANCELLED, Cause.STAGE_PASSED, Status.CANCELLED, id="stage passed"),
        pytest.param(Status.SENDING, Status.SENT, Cause.ACCEPTED, Status.SENT, id="accepted"),
        pytest.param(Status.DELIVERED, Status.SENT, Cause.ACCEPTED, None, id="the receipt was faster"),
        pytest.param(Status.SENDING, Status.DELIVERED, Cause.ACCEPTED, None, id="acceptance is no delivery"),
        pytest.param(
            Status.SENDING, Status.DELIVERED, Cause.RECEIPT, Status.DELIVERED, id="a faster receipt"
        ),
        pytest.param(Status.OPENED, Status.DELIVERED, Cause.RECEIPT, None, id="the rank only rises"),
        pytest.param(
            Status.SENT, Status.OPENED, Cause.TRACKING, Status.OPENED, id="an open without a receipt"
        ),
        pytest.param(
            Status.SENT, Status.DELIVERED, Cause.TRACKING, None, id="tracking tells of opens and clicks"
        ),
        pytest.param(Status.CLICKED, Status.RESPONDED, Cause.ANSWER, Status.RESPONDED, id="answer"),
        pytest.param(Status.SCHEDULED, Status.SENT, Cause.LATE_EVIDENCE, Status.SENT, id="retry dropped"),
        pytest.param(
            Status.FAILED, Status.DELIVERED, Cause.RECEIPT, Status.DELIVERED, id="failed, yet it arrived"
        ),
        pytest.param(Status.CANCELLED, Status.DELIVERED, Cause.RECEIPT, None, id="cancelled is final"),
        pytest.param(Status.CANCELLED, Status.SCHEDULED, Cause.STAFF_RETRY, None, id="not even for staff"),
        pytest.param(Status.SENDING, Status.SCHEDULED, Cause.CLAIMED, None, id="a cause of another row"),
        pytest.param(Status.SCHEDULED, Status.SCHEDULED, Cause.NOT_NOW, Status.SCHEDULED, id="put off"),
        pytest.param(Status.SENDING, Status.SCHEDULED, Cause.NOT_NOW, None, id="too late to put off"),
        pytest.param(
            Status.SENDING, Status.SCHEDULED, Cause.LEASE_LAPSED_UNCALLED, None, id="its call has begun"
        ),
        pytest.param(Status.SENDING, Status.CANCELLED, Cause.CALLER_CANCELLED, None, id="only asked for"),
        pytest.param(
            Status.SENDING, Status.CANCELLED, Cause.CANCEL_REQUESTED, Status.CANCELLED, id="honoured"
        ),
        pytest.param(Status.IN_DOUBT, Status.SENDING, Cause.CLAIMED, None, id="doubt is not claimed"),
        pytest.param(
            Status.IN_DOUBT, Status.SCHEDULED, Cause.RETRY, None, id="doubt is never retried by itself"
        ),
        pytest.param(
            Status.IN_DOUBT, Status.SCHEDULED, Cause.STAFF_RESEND, Status.SCHEDULED, id="staff resend"
        ),
        pytest.param(
            Status.DELIVERED, Status.SCHEDULED, Cause.BOUNCED, None, id="delivered is not sent again"
        ),
        pytest.param(
            Status.SENT, Status.SCHEDULED, Cause.BOUNCED, Status.SCHEDULED, id="bounce drives fallback"
        ),
        pytest.param(Status.RESPONDED, Status.OPENED, Cause.STAFF_UNDO, Status.OPENED, id="undo"),
        pytest.param(Status.RESPONDED, Status.OPENED, Cause.RECEIPT, None, id="no receipt undoes an answer"),
    ],
)
def test_decide(source, to, cause, expected):
    assert decide(source, to, cause) is expected


@pytest.mark.parametrize("cause", [Cause.RECEIPT, Cause.TRACKING, Cause.ANSWER, Cause.LATE_EVIDENCE])
def test_evidence_never_lowers_the_rank(cause):
    for source, to in product(RANK, RANK):
        if RANK[to] <= RANK[source]:
            assert decide(source, to, cause) is None


def test_status_comes_out_the_same_in_any_order_of_evidence():
    evidence = [
        (Status.SENT, Cause.ACCEPTED),
        (Status.DELIVERED, Cause.RECEIPT),
        (Status.OPENED, Cause.TRACKING),
        (Status.CLICKED, Cause.TRACKING),
        (Status.RESPONDED, Cause.ANSWER),
    ]
    for order in permutations(evidence):
        current = Status.SENDING
        for to, cause in order:
            current = decide(current, to, cause) or current
        assert current is Status.RESPONDED


def test_what_is_surer_of_an_attempt_ranks_higher():
    """No two rank the same, so evidence adds up to one status in whatever order it comes."""
    assert sorted(ATTEMPT_RANK, key=ATTEMPT_RANK.__getitem__) == [
        "calling",
        "unknown",
        "not_called",
        "rejected",
        "accepted",
        "undelivered",
        "delivered",
    ]
    assert set(ATTEMPT_RANK) == set(AttemptStatus)
    assert len(set(ATTEMPT_RANK.values())) == len(AttemptStatus)
