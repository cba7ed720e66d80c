"""Twilio's error codes in our outcome classes (twilio.com/docs/api/errors); unknown ones go by the HTTP status."""

from types import MappingProxyType
from typing import Final

from communications.choices import OutcomeClass
from communications.connectors.statuses import class_of_status

# Nobody can tell: Twilio's own service broke off, perhaps after it had taken the message.
_UNSURE: Final = frozenset({20500, 20503})

_BY_CLASS: Final = {
    OutcomeClass.CONFIG: (
        20003,  # authentication failed
        21212,  # the sender is no number
        21408,  # the account may not send to this country
        21606,  # the sender is not ours or cannot send messages
        21608,  # a trial account writes to verified numbers only
        21703,  # the messaging service has no sender
        21704,  # its sender pool has none for this kind
        21705,  # the messaging service does not exist
        30002,  # the account is suspended
        30024,  # the sender is not provisioned by the carrier
        30032,  # the toll-free number is not verified
        30034,  # the number is not registered (A2P 10DLC)
        63001,  # the channel refused our sign-in
        63007,  # the channel does not know the sender
        63051,  # the channel's account is restricted
    ),
    OutcomeClass.RATE_LIMITED: (
        14107,  # messages sent too fast
        20429,  # too many requests
        30022,  # the carrier's rate is exceeded
        63018,  # the channel's rate is exceeded
    ),
    OutcomeClass.TRANSIENT: (
        21611,  # the sender's queue is full
        30001,  # the queue overflowed
        30023,  # the carrier's daily cap is reached
        30027,  # the brand's daily cap is reached
        30410,  # the carrier did not answer
        30450,  # delivery is blocked for a while
        63010,  # the channel broke down
        63012,  # the channel is unavailable
        63038,  # the account's daily number of messages is reached
    ),
    OutcomeClass.OPTED_OUT: (
        21610,  # the recipient sent STOP
    ),
    OutcomeClass.RECIPIENT: (
        21211,  # the recipient is no number
        21612,  # the number cannot be reached by this route
        21614,  # the number is no mobile
        30006,  # a landline, or a carrier that cannot be reached
        63003,  # the channel does not know the recipient
        63024,  # the recipient cannot get messages
        63033,  # the recipient is blocked from getting messages
    ),
    OutcomeClass.CONTENT: (
        21602,  # no text
        21617,  # longer than 1600 characters
        30007,  # filtered as spam
        30019,  # too large
        63005,  # the channel does not take this content
        63013,  # against the channel's policy
        63021,  # invalid content
        63027,  # the template does not exist
        63028,  # the number of variables does not fit the template
    ),
    OutcomeClass.WEAK_RECIPIENT: (
        30003,  # the phone is off or out of reach
        30004,  # blocked by the recipient's side
        30005,  # the phone is unknown to its carrier
        30008,  # the carrier does not say why
    ),
    OutcomeClass.NEEDS_TEMPLATE: (
        63016,  # outside the window for free text
    ),
}
CODES: Final = MappingProxyType({code: outcome for outcome, codes in _BY_CLASS.items() for code in codes})


def classify(status: int, code: int | None) -> OutcomeClass:
    """The class of an answer that is no acceptance. `code` None: it had no error object of Twilio's own, so whoever
    answered may not be Twilio. Total: nothing crashes on nonsense."""
    if code is None:
        return class_of_status(status, said_by_provider=False)
    if code in _UNSURE:
        return OutcomeClass.AMBIGUOUS
    return CODES.get(code) or class_of_status(status, said_by_provider=True)


def class_of_receipt(code: int | None) -> OutcomeClass:
    """Of a message that Twilio took and that did not arrive."""
    return CODES.get(code or 0, OutcomeClass.WEAK_RECIPIENT)
