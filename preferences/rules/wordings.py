"""The words that consent was given or refused with, by version. A version is for good: the ledger names it, and who
asks later reads it here. To change words, add a version; a test refuses to let one change."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CONTACT_DATA: Final = "contact-data-1"
PLANNER_WHATSAPP: Final = "planner-whatsapp-1"
PLANNER_SAID: Final = "planner-said-1"
UNSUBSCRIBE: Final = "unsubscribe-1"
PREFERENCE_CENTRE: Final = "preference-centre-1"
STAFF: Final = "staff-1"
IMPORTED: Final = "import-1"

WORDINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        CONTACT_DATA: (
            "The planning agent gave this address so that we write to the client about the event that they plan with "
            "us."
        ),
        PLANNER_WHATSAPP: (
            "The planning agent told us that the client agreed to messages about their event by WhatsApp."
        ),
        PLANNER_SAID: "The planning agent told us what the client wants on this channel.",
        UNSUBSCRIBE: (
            "Stop all messages to me on this channel, also those about my event. One-click unsubscribing in a mail "
            "program says the same."
        ),
        PREFERENCE_CENTRE: (
            "How may we reach you about your event? Ticked: you may write to me this way. Not ticked: never."
        ),
        STAFF: "A member of staff recorded what the client told them.",
        IMPORTED: "Taken over from a list of addresses that are not to be written to.",
    }
)
