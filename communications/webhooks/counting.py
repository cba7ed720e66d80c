"""How webhooks end, by provider: the place where metrics count them."""

from core.logs import get_logger

log = get_logger("webhooks")


def count(provider: str, verdict: str) -> None:
    """`verdict`: stored, unread, forged, too_large, refused. Never anything of the call itself."""
    log.info("webhook", provider=provider, status=verdict)
