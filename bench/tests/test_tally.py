"""What `bench faults` counts: each accepted message once, by what the provider saw and what our database says."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bench.faults.callers import PREFIX
from bench.faults.tally import Tally, tally
from bench.faults.wishes import Wishes
from communications.choices import Status
from communications.models import Communication, DeliveryAttempt
from communications.tests.factories import a_communication, lead_to
from communications.tests.steps import claimed_and_checked, fence
from core import clock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]

Mail = dict[str, Any]


def a_message(number: int, status: Status) -> Communication:
    row = a_communication(client_reference=f"{PREFIX}-client-{number}")
    lead_to(row, status)
    return row


def a_mail(number: int, answer: str = "answered", message_id: str = "<none>") -> Mail:
    return {
        "to": f"{PREFIX}{number}@clients.example",
        "at": clock.now().timestamp(),
        "message_id": message_id,
        "answer": answer,
    }


@pytest.fixture
def count() -> Callable[..., Tally]:
    def counted(*mails: Mail, wishes: Wishes | None = None) -> Tally:
        return tally([0], list(mails), wishes or Wishes())

    return counted


def test_one_that_arrived_once(count: Callable[..., Tally]) -> None:
    a_message(0, Status.SENT)

    result = count(a_mail(0))

    assert (result.once, result.twice, result.lost, result.told_wrong) == (1, [], [], [])


def test_one_that_arrived_twice_is_not_once(count: Callable[..., Tally]) -> None:
    a_message(0, Status.SENT)

    result = count(a_mail(0), a_mail(0, "dropped"))

    assert (result.once, len(result.twice)) == (0, 1)


@pytest.mark.parametrize("status", [Status.SENT, Status.FAILED, Status.SCHEDULED, Status.CANCELLED])
def test_one_that_never_arrived_is_lost_whatever_we_say(count: Callable[..., Tally], status: Status) -> None:
    a_message(0, status)

    assert len(count().lost) == 1


def test_one_that_was_accepted_and_is_not_stored_is_lost(count: Callable[..., Tally]) -> None:
    assert len(count().lost) == 1


def test_one_in_doubt_is_neither_once_nor_lost(count: Callable[..., Tally]) -> None:
    a_message(0, Status.IN_DOUBT)

    for mails in ([], [a_mail(0, "dropped")]):
        result = count(*mails)
        assert (result.once, result.lost) == (0, [])
        assert [row["received"] for row in result.in_doubt] == [len(mails)]


def test_one_that_arrived_and_is_said_not_to_have(count: Callable[..., Tally]) -> None:
    a_message(0, Status.FAILED)

    assert len(count(a_mail(0)).told_wrong) == 1


def test_one_kept_back_as_its_client_wished(count: Callable[..., Tally]) -> None:
    a_message(0, Status.CANCELLED)
    wishes = Wishes(committed_at={0: clock.now()})

    result = count(wishes=wishes)

    assert (result.withheld, result.lost) == (1, [])


@pytest.mark.parametrize(("wished_after_seconds", "against"), [(60, 0), (-60, 1)])
def test_against_the_will_is_what_was_fenced_after_the_wish(
    count: Callable[..., Tally], wished_after_seconds: int, against: int
) -> None:
    a_communication(client_reference=f"{PREFIX}-client-0")
    fence(*claimed_and_checked())
    attempt = DeliveryAttempt.objects.get()
    wish = attempt.started_at + timedelta(seconds=wished_after_seconds)

    result = count(a_mail(0, message_id=attempt.message_id), wishes=Wishes(committed_at={0: wish}))

    assert len(result.against_will) == against


def test_a_mail_that_no_fence_let_through_is_against_the_will(count: Callable[..., Tally]) -> None:
    a_message(0, Status.SENT)

    result = count(a_mail(0), wishes=Wishes(committed_at={0: clock.now() + timedelta(hours=1)}))

    assert len(result.against_will) == 1
