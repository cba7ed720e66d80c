"""What the ledger of consent says about a channel: pure (engine.md §Consent).

An opt-out holds for the client on its channel, at whatever contact point. It ends with a later grant of the client's,
of staff, by keyword, provider or import; the planner's grants end only the planner's own opt-outs. A grant holds for
the contact point that it was given for. Order is the time of occurrence; a tie is an opt-out.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from core.choices import Channel
from preferences.choices import ConsentSource, ConsentState


class WhatsAppOptIn(StrEnum):
    """What opens WhatsApp for service messages: a grant, or contact data as for SMS."""

    EXPLICIT = "explicit"
    CONTACT_DATA = "contact_data"


def parse_opt_in(text: str) -> WhatsAppOptIn:
    """Raises ValueError with a sentence."""
    try:
        return WhatsAppOptIn(text)
    except ValueError:
        raise ValueError(f"{text!r} opens nothing; write explicit or contact_data.") from None


def open_by_default(channel: Channel, *, whatsapp: str = WhatsAppOptIn.EXPLICIT) -> bool:
    """Contact data given by the planning agent opens e-mail and SMS for service messages; WhatsApp needs a grant
    unless the installation says otherwise."""
    return channel is not Channel.WHATSAPP or whatsapp == WhatsAppOptIn.CONTACT_DATA


@dataclass(frozen=True, slots=True)
class Statement:
    """One entry of the ledger, about one channel and purpose of one client. `contact_point_id` None: said while the
    client had none for the channel."""

    state: ConsentState
    source: ConsentSource
    occurred_at: datetime
    contact_point_id: UUID | None = None
    entry_id: int | None = None

    @property
    def is_planners(self) -> bool:
        return self.source is ConsentSource.PLANNER


@dataclass(frozen=True, slots=True)
class Decision:
    """`by`: the statement that decides; None: nobody said anything that counts, and the default holds."""

    is_open: bool
    by: Statement | None = None


def decide(
    statements: Iterable[Statement], *, contact_point_id: UUID | None, open_by_default: bool
) -> Decision:
    """Whether a channel may be used at a contact point, by everything that was said about it."""
    closed: Statement | None = None
    granted: Statement | None = None
    for said in sorted(statements, key=_order):
        ends_it = closed is None or closed.is_planners or not said.is_planners
        if said.state is ConsentState.OPTED_OUT:
            granted = None
            closed = said if ends_it else closed
        elif ends_it:
            closed = None
            # One that was said without a contact point never opens another.
            if contact_point_id is not None and said.contact_point_id == contact_point_id:
                granted = said
    if closed is not None:
        return Decision(is_open=False, by=closed)
    return Decision(is_open=open_by_default or granted is not None, by=granted)


def _order(said: Statement) -> tuple[datetime, bool]:
    return said.occurred_at, said.state is ConsentState.OPTED_OUT
