"""Words that several apps share."""

from enum import StrEnum


class Channel(StrEnum):
    """A way to reach a client."""

    EMAIL = "email"
    SMS = "sms"
    WHATSAPP = "whatsapp"


class Purpose(StrEnum):
    """What consent is asked for."""

    SERVICE = "service"
    MARKETING = "marketing"
