"""Telnyx's error codes in our outcome classes (developers.telnyx.com); unknown ones go by the HTTP status."""

from types import MappingProxyType
from typing import Final

from communications.choices import OutcomeClass
from communications.connectors.statuses import class_of_status

_BY_CLASS: Final = {
    OutcomeClass.OPTED_OUT: (
        "40300",  # the recipient sent STOP
    ),
    OutcomeClass.RECIPIENT: (
        "40001",  # a landline, or no number that takes messages
        "40003",  # not reachable
    ),
    OutcomeClass.TRANSIENT: (
        "40002",  # blocked for a while as spam
        "40006",  # the recipient's server is away
    ),
    OutcomeClass.RATE_LIMITED: (
        "40011",  # too many requests
    ),
}
CODES: Final = MappingProxyType({code: outcome for outcome, codes in _BY_CLASS.items() for code in codes})


def classify(status: int, code: str | None) -> OutcomeClass:
    """The class of an answer that is no acceptance. `code` None: it had no error object of Telnyx's own. Total."""
    if code is None:
        return class_of_status(status, said_by_provider=False)
    return CODES.get(code) or class_of_status(status, said_by_provider=True)
