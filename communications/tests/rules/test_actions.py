"""What may still be done about a communication, for every status (engine.md §Lifecycle)."""

import itertools

import pytest

from communications.choices import Status
from communications.rules import reasons
from communications.rules.actions import Action, ActionFacts, Refusal, Way, decide

ARRIVED = {Status.SENT, Status.DELIVERED, Status.OPENED, Status.CLICKED, Status.RESPONDED}
WAITING = {Status.SCHEDULED, Status.HELD, Status.MERGED}
EXPECTED = {
    Action.CANCEL: dict.fromkeys(WAITING, Way.CANCEL)
    | dict.fromkeys(ARRIVED, "already_sent")
    | {
        Status.SENDING: Way.ASK_TO_CANCEL,
        Status.IN_DOUBT: Way.ASK_TO_CANCEL,
        Status.FAILED: "already_failed",
        Status.CANCELLED: Way.NOTHING,
    },
    Action.RESEND: dict.fromkeys(WAITING, "not_sent_yet")
    | dict.fromkeys(ARRIVED | {Status.FAILED, Status.CANCELLED}, Way.SEND_ANEW)
    | {Status.SENDING: "being_sent", Status.IN_DOUBT: Way.SEND_AGAIN},
    Action.RETRY: dict.fromkeys(WAITING, "not_sent_yet")
    | dict.fromkeys(ARRIVED, "already_sent")
    | {
        Status.SENDING: "being_sent",
        Status.IN_DOUBT: "in_doubt",
        Status.FAILED: Way.SEND_AGAIN,
        Status.CANCELLED: "cancelled",
    },
}


def answer(action, status, **facts):
    decided = decide(action, ActionFacts(status, **facts))
    if isinstance(decided, Refusal):
        assert decided.sentence.endswith(".")
        return decided.code
    return decided


@pytest.mark.parametrize(("action", "status"), list(itertools.product(Action, Status)))
def test_every_action_has_an_answer_for_every_status(action, status):
    assert answer(action, status) == EXPECTED[action][status]


@pytest.mark.parametrize("status", [Status.SENDING, Status.IN_DOUBT])
def test_asking_twice_to_cancel_changes_nothing(status):
    assert answer(Action.CANCEL, status, cancel_requested=True) is Way.NOTHING


@pytest.mark.parametrize(
    ("action", "status", "fact", "code"),
    [
        (Action.RETRY, Status.FAILED, "newer_request", "newer_request"),
        (Action.RETRY, Status.FAILED, "resent", "already_resent"),
        (Action.RETRY, Status.FAILED, "channel_taken", "channel_taken"),
        (Action.RETRY, Status.FAILED, "replaced", "replaced"),
        (Action.RETRY, Status.FAILED, "question_closed", "question_closed"),
        (Action.RESEND, Status.IN_DOUBT, "replaced", "replaced"),
        (Action.RESEND, Status.IN_DOUBT, "question_closed", "question_closed"),
        (Action.RESEND, Status.SENT, "replaced", "replaced"),
        (Action.RESEND, Status.SENT, "question_closed", "question_closed"),
        (Action.CANCEL, Status.SCHEDULED, "question_closed", Way.CANCEL),
        (Action.RESEND, Status.FAILED, "newer_request", "newer_request"),
        (Action.RESEND, Status.CANCELLED, "newer_request", "newer_request"),
        (Action.RESEND, Status.SENT, "newer_request", Way.SEND_ANEW),
        (Action.RESEND, Status.SENT, "resent", "already_resent"),
        (Action.RESEND, Status.CANCELLED, "resent", "already_resent"),
        (Action.RESEND, Status.IN_DOUBT, "newer_request", Way.SEND_AGAIN),
        (Action.RESEND, Status.CANCELLED, "channel_taken", Way.SEND_ANEW),
    ],
)
def test_what_stands_in_the_way(action, status, fact, code):
    assert answer(action, status, **{fact: True}) == code


def test_what_the_check_would_refuse_is_refused_with_its_reason_and_what_helps():
    refused = reasons.UNDELIVERABLE.because(channel="e-mail")
    decided = decide(Action.RETRY, ActionFacts(Status.FAILED, refused=refused))
    assert decided == Refusal(
        "undeliverable",
        "E-mail is left out: the address or number cannot be delivered to. Correct the address or number first.",
    )
    assert answer(Action.RESEND, Status.IN_DOUBT, refused=refused) == "undeliverable"
    assert answer(Action.RESEND, Status.SENT, refused_anew=refused) == "undeliverable"


def test_what_is_too_old_to_try_again_may_be_sent_anew():
    expired = reasons.EXPIRED.because(channel="e-mail", until="09:00")
    assert answer(Action.RETRY, Status.FAILED, refused=expired) == "expired"
    assert answer(Action.RESEND, Status.FAILED, refused=expired) is Way.SEND_ANEW
