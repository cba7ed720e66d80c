"""What is known of a call comes out the same, whatever order the evidence arrives in (engine.md §Lifecycle)."""

import itertools
from uuid import uuid4

import pytest

from communications.choices import AttemptStatus
from communications.models import DeliveryAttempt
from communications.rules.lifecycle import ATTEMPT_RANK
from communications.services.attempts import AttemptResult, finish
from communications.tests.factories import a_communication
from core import clock

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("smtp", "templates")]

EVIDENCE = [
    AttemptStatus.UNKNOWN,
    AttemptStatus.REJECTED,
    AttemptStatus.ACCEPTED,
    AttemptStatus.UNDELIVERED,
    AttemptStatus.DELIVERED,
]


def told(attempt: DeliveryAttempt, status: AttemptStatus) -> None:
    finish([AttemptResult(attempt.id, status, None, "", "", None, clock.now())])


@pytest.mark.parametrize("size", [2, 3, 4])
def test_every_order_of_the_same_evidence_gives_the_same_status(size: int) -> None:
    row = a_communication()
    for number, evidence in enumerate(itertools.permutations(EVIDENCE, size), start=1):
        attempt = DeliveryAttempt.objects.create(
            communication=row,
            number=number,
            channel="email",
            provider="smtp",
            lease_token=uuid4(),
            delivery_status=AttemptStatus.CALLING,
            message_id=f"<{number}@planiva.example>",
            started_at=clock.now(),
        )
        for status in evidence:
            told(attempt, status)
        attempt.refresh_from_db()
        assert attempt.delivery_status == max(evidence, key=ATTEMPT_RANK.__getitem__), evidence
