"""What an attention item says to a person: plain data."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from communications.choices import AttentionKind


class Weight(StrEnum):
    """`bad`: a client did not get something. `warn`: find out first."""

    BAD = "bad"
    WARN = "warn"


@dataclass(frozen=True)
class AttentionWords:
    """`action`: what may be done about the message it is about, on its page; empty where nothing may."""

    title: str
    advice: str
    weight: Weight
    icon: str
    action: str = ""


_WORDS: Final[Mapping[str, AttentionWords]] = MappingProxyType(
    {
        AttentionKind.IN_DOUBT: AttentionWords(
            "Sent, outcome unknown",
            "Find out whether it arrived before it is sent again.",
            Weight.WARN,
            "in_doubt",
            "Send again",
        ),
        AttentionKind.DELIVERY_FAILED: AttentionWords(
            "Could not be delivered",
            "No channel is left. Correct the address and try again, or reach the client in another way.",
            Weight.BAD,
            "failed",
            "Try again",
        ),
        AttentionKind.NOT_SENT: AttentionWords(
            "Not sent",
            "Reach the client in another way, or open a channel for them.",
            Weight.BAD,
            "cancelled",
            "Send after all",
        ),
        AttentionKind.PROVIDER_CONFIGURATION: AttentionWords(
            "Our account with a provider is not in order",
            "Put the account in order. What waits goes out by itself then.",
            Weight.BAD,
            "warning",
        ),
        AttentionKind.REQUEST_REFUSED: AttentionWords(
            "A program’s request was refused",
            "It asked for a message that cannot be sent. Correct the request or the plan’s data.",
            Weight.WARN,
            "warning",
        ),
        AttentionKind.JOURNAL_REJECTED: AttentionWords(
            "Notes of a lost worker need a look",
            "They tell how calls ended, and the database did not take them. The runbook says how to go on.",
            Weight.WARN,
            "warning",
        ),
        AttentionKind.ACCEPTED_THEN_REFUSED: AttentionWords(
            "An accepted request could not be stored",
            "It came while the database was away, and its program believes that it will go out. Correct it and "
            "let the program repeat it, or reach the client in another way.",
            Weight.BAD,
            "warning",
        ),
        "preferences_refused": AttentionWords(
            "Accepted preferences could not be stored",
            "They came while the database was away, and their program believes that they hold. Ask the client, and set "
            "them by hand.",
            Weight.BAD,
            "warning",
        ),
        AttentionKind.ADDRESS_UNDELIVERABLE: AttentionWords(
            "An address does not work",
            "Nothing more is sent there. Ask the client for another address or number.",
            Weight.WARN,
            "warning",
        ),
        AttentionKind.RECEIPT_REJECTED: AttentionWords(
            "What a provider told us could not be read",
            "What became of some messages may be missing here. Show this to whoever runs the system.",
            Weight.WARN,
            "warning",
        ),
        AttentionKind.REPLY_RECEIVED: AttentionWords(
            "Somebody wrote to us",
            "Read what they wrote on the message’s page, or in the mailbox if it belongs to none, and answer.",
            Weight.WARN,
            "responded",
        ),
        AttentionKind.MAILBOX_FAILING: AttentionWords(
            "The mailbox cannot be read",
            "Bounces and answers stay unseen. Check its account (IMAP_…); it is tried again every minute.",
            Weight.BAD,
            "warning",
        ),
        "spool_parked": AttentionWords(
            "An accepted request stands aside",
            "It failed again and again while it was being stored. The runbook says how to go on.",
            Weight.BAD,
            "warning",
        ),
        "alerts_failing": AttentionWords(
            "Administrators could not be alerted",
            "Check ADMIN_ALERT_URLS and the services behind it. It is tried again by itself.",
            Weight.WARN,
            "warning",
        ),
        "outbox_consumer_failing": AttentionWords(
            "A part of the system stands still",
            "It fails at the same event again and again. Show this to whoever runs the system.",
            Weight.BAD,
            "warning",
        ),
    }
)


def words_for(kind: str) -> AttentionWords:
    """A kind without words of its own is shown by its name rather than not at all."""
    name = kind.replace("_", " ").capitalize()
    return _WORDS.get(kind) or AttentionWords(name, "Look at it, then mark it done.", Weight.WARN, "info")


def has_words(kind: str) -> bool:
    return kind in _WORDS
