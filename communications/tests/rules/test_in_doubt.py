"""What becomes of doubt, by what is known and how long ago the call was fenced (REL-6)."""

from datetime import UTC, datetime, timedelta

import pytest

from communications.choices import Urgency
from communications.rules.in_doubt import HOLD, DoubtFacts, DoubtStep, Evidence, doubt_step

FENCED = datetime(2026, 3, 3, 6, 30, tzinfo=UTC)
JUST_BEFORE = HOLD - timedelta(seconds=1)


def step(after, *, deadline=timedelta(hours=6), urgency=Urgency.CRITICAL, **more):
    return doubt_step(
        DoubtFacts(fenced_at=FENCED, now=FENCED + after, deadline=FENCED + deadline, urgency=urgency, **more)
    )


@pytest.mark.parametrize("urgency", Urgency)
@pytest.mark.parametrize("has_fallback", [True, False])
@pytest.mark.parametrize(
    ("evidence", "after", "expected"),
    [
        (Evidence.ARRIVED, timedelta(0), DoubtStep.ARRIVED),
        (Evidence.ARRIVED, HOLD, DoubtStep.ARRIVED),
        (Evidence.NOT_ARRIVED, timedelta(0), DoubtStep.SEND_AGAIN),
        (Evidence.NOT_ARRIVED, HOLD, DoubtStep.SEND_AGAIN),
        (Evidence.NOT_FOUND, timedelta(0), DoubtStep.WAIT),
        (Evidence.NOT_FOUND, JUST_BEFORE, DoubtStep.WAIT),
        (Evidence.NOT_FOUND, HOLD, DoubtStep.SEND_AGAIN),
        (None, timedelta(0), DoubtStep.WAIT),
        (None, JUST_BEFORE, DoubtStep.WAIT),
    ],
)
def test_evidence(evidence, after, expected, urgency, has_fallback):
    assert step(after, evidence=evidence, urgency=urgency, has_fallback=has_fallback) is expected


@pytest.mark.parametrize("urgency", Urgency)
def test_without_evidence_only_a_critical_one_goes_on_and_only_elsewhere(urgency):
    critical = urgency is Urgency.CRITICAL
    expected = DoubtStep.NEXT_CHANNEL if critical else DoubtStep.STAY
    assert step(HOLD, urgency=urgency, has_fallback=True) is expected
    assert step(HOLD, urgency=urgency, has_fallback=False) is DoubtStep.STAY


def test_what_is_too_late_stays():
    assert step(HOLD, deadline=HOLD, has_fallback=True) is DoubtStep.STAY
