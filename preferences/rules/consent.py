"""What holds for a channel while nobody has said anything about it (engine.md §Consent, defaults)."""

from core.choices import Channel


def open_by_default(channel: Channel) -> bool:
    """Contact data given by the planning agent opens e-mail and SMS for service messages; WhatsApp needs a grant."""
    return channel is not Channel.WHATSAPP
