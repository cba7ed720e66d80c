"""What every connector offers: one vocabulary for what became of a call, whatever the provider."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from communications.choices import OutcomeClass
from core.choices import Channel


@dataclass(frozen=True)
class OutgoingMessage:
    """What a connector needs for one call. `payload` is the channel's own wire form (e-mail: MIME bytes)."""

    attempt_id: UUID
    message_id: str
    sender: str
    recipient: str
    payload: bytes


@dataclass(frozen=True)
class Outcome:
    """What became of a call.

    `code` is the provider's own (`550 5.1.1`), safe for logs; `text` is its own words, which may quote addresses:
    store it sealed only. `retry_after` is the provider's wish.
    """

    outcome_class: OutcomeClass
    code: str = ""
    provider_message_id: str = ""
    text: str = ""
    retry_after: timedelta | None = None


class Connector(Protocol):
    """Talks to one provider. `send` never raises for what a provider or the network may do."""

    name: str
    channel: Channel
    concurrency: int

    def send(self, message: OutgoingMessage) -> Outcome:
        """One call, within the connector's total time limit."""

    def close(self) -> None:
        """Give back every connection."""
