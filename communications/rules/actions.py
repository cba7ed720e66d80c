"""What a person or a program may still do about a communication: cancel it, send it again, try it again.

Buttons and refusals come from the same decision, so a button that is shown is an action that is allowed.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from communications.choices import Status
from communications.rules.lifecycle import ARRIVED
from communications.rules.reasons import Reason


class Action(StrEnum):
    CANCEL = "cancel"
    RESEND = "resend"
    RETRY = "retry"


class Way(StrEnum):
    """How an action is carried out. `ask_to_cancel` is honoured at the fence and whenever the row would go back to the
    queue; `send_again` puts the same row back, `send_anew` makes a new request with the same content."""

    CANCEL = "cancel"
    ASK_TO_CANCEL = "ask_to_cancel"
    NOTHING = "nothing"
    SEND_AGAIN = "send_again"
    SEND_ANEW = "send_anew"


@dataclass(frozen=True)
class ActionFacts:
    """`refused`: why the check before sending would not let it go, `refused_anew`: nor if it were asked for now; None:
    it would. `newer_request`: a later request says the same. `replaced`: one of its stage took its place.
    `question_closed`: the plan has gone on since. `resent`: it was sent anew before. `channel_taken`: a sibling uses
    its channel. `in_sent_digest`: it is part of a digest whose call has begun, or is over."""

    status: Status
    cancel_requested: bool = False
    refused: Reason | None = None
    refused_anew: Reason | None = None
    newer_request: bool = False
    replaced: bool = False
    question_closed: bool = False
    resent: bool = False
    channel_taken: bool = False
    in_sent_digest: bool = False


@dataclass(frozen=True)
class Refusal:
    """`sentence` says what is possible instead."""

    code: str
    sentence: str


def decide(action: Action, facts: ActionFacts) -> Way | Refusal:
    """Whether the action is possible now, and how. Total: every action has an answer for every status."""
    if action is Action.CANCEL:
        return _cancel(facts)
    return _resend(facts) if action is Action.RESEND else _retry(facts)


_WENT_OUT: Final = Refusal(
    "already_sent",
    "It went out and cannot be taken back. Resend sends it once more, as a new message.",
)
_WAITS: Final = Refusal("not_sent_yet", "It waits and goes out by itself. Until then it can be cancelled.")
_IS_SENDING: Final = Refusal(
    "being_sent", "It is being sent at this moment. Look again in a minute; until then it can be cancelled."
)
_NEWER_REQUEST: Final = Refusal(
    "newer_request", "A newer request says the same, and it must not arrive twice. Look at that one."
)
_REPLACED: Final = Refusal("replaced", "A newer message of this kind took its place. Look at that one.")
_QUESTION_CLOSED: Final = Refusal(
    "question_closed", "The plan has gone on since, so the client is not asked this any more."
)
_RESENT: Final = Refusal("already_resent", "It was sent again already, as a new message. Look at that one.")
_CHANNEL_TAKEN: Final = Refusal(
    "channel_taken", "Another message of the same request uses this channel. Look at that one."
)
_IN_DIGEST: Final = Refusal(
    "in_digest", "It is part of a digest that went out, or is going out. Look at the digest."
)
_FAILED_STAYS: Final = Refusal(
    "already_failed", "It failed and nothing more is sent by itself, so there is nothing to cancel."
)
_CANNOT_RETRY: Final = MappingProxyType(
    {
        Status.SCHEDULED: _WAITS,
        Status.HELD: _WAITS,
        Status.MERGED: _WAITS,
        Status.SENDING: _IS_SENDING,
        Status.IN_DOUBT: Refusal(
            "in_doubt",
            "Nobody knows whether it arrived. Resend sends it again, and it may then arrive twice.",
        ),
        Status.CANCELLED: Refusal(
            "cancelled", "Cancelled is final. Resend sends it after all, as a new message."
        ),
        **dict.fromkeys(ARRIVED, _WENT_OUT),
    }
)


def _cancel(facts: ActionFacts) -> Way | Refusal:
    if facts.in_sent_digest:
        return _IN_DIGEST
    if facts.status in ARRIVED:
        return _WENT_OUT
    if facts.status is Status.FAILED:
        return _FAILED_STAYS
    if facts.status is Status.CANCELLED:
        return Way.NOTHING
    if facts.status in {Status.SENDING, Status.IN_DOUBT}:
        return Way.NOTHING if facts.cancel_requested else Way.ASK_TO_CANCEL
    return Way.CANCEL


def _retry(facts: ActionFacts) -> Way | Refusal:
    if facts.in_sent_digest:
        return _IN_DIGEST
    if facts.status is not Status.FAILED:
        return _CANNOT_RETRY[facts.status]
    if facts.channel_taken and not facts.resent:
        return _CHANNEL_TAKEN
    return _outdated(facts) or _refused(facts.refused) or Way.SEND_AGAIN


def _resend(facts: ActionFacts) -> Way | Refusal:
    if facts.in_sent_digest:
        return _IN_DIGEST
    if facts.status is Status.IN_DOUBT:
        return _outdated(facts) or _refused(facts.refused) or Way.SEND_AGAIN
    if facts.status is Status.SENDING:
        return _IS_SENDING
    if facts.status not in {Status.FAILED, Status.CANCELLED, *ARRIVED}:
        return _WAITS
    return _outdated(facts) or _refused(facts.refused_anew) or Way.SEND_ANEW


def _outdated(facts: ActionFacts) -> Refusal | None:
    """Why it may not be said again, whatever the check says of it."""
    if facts.resent:
        return _RESENT
    if facts.replaced:
        return _REPLACED
    # What arrived may be said once more, also where another request said the same.
    if facts.newer_request and facts.status in {Status.FAILED, Status.CANCELLED}:
        return _NEWER_REQUEST
    return _QUESTION_CLOSED if facts.question_closed else None


_HELP: Final = MappingProxyType(
    {
        "no_contact_point": "Add the address or number first.",
        "undeliverable": "Correct the address or number first.",
        "no_consent": "Reach the client on a channel that they still want.",
        "suppressed": "Reach the client at another address or on another channel.",
        "expired": "Ask for a new message if it still matters.",
        "cannot_meet_deadline": "Ask for a new message with another deadline if it still matters.",
        "event_passed": "Reach the client in another way if it still matters.",
        "not_on_allow_list": "Write to this client from the real installation.",
        "no_sending_hours": "Agree on other quiet hours with the client first.",
    }
)


def _refused(reason: Reason | None) -> Refusal | None:
    if reason is None:
        return None
    help_words = _HELP.get(reason.code, "")
    return Refusal(reason.code, f"{reason.text} {help_words}".rstrip())
