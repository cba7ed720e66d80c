"""What an HTTP answer means where the provider's own code says nothing; shared by the connectors that speak HTTP."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from communications.choices import OutcomeClass

_OUR_ACCOUNT: Final = frozenset({401, 402, 403, 404})
_AGAIN: Final = frozenset({408, 409, 425})
_LONGEST_WISH: Final = timedelta(days=7)


def class_of_status(status: int, *, said_by_provider: bool) -> OutcomeClass:
    """`said_by_provider`: the answer carried the provider's error object, so the request was refused. A bare 5xx may
    come from anything on the way, after the provider took the message."""
    if status == 429:
        return OutcomeClass.RATE_LIMITED
    if status in _OUR_ACCOUNT or 300 <= status < 400:
        return OutcomeClass.CONFIG
    if status in _AGAIN:
        return OutcomeClass.TRANSIENT
    if 400 <= status < 500:
        return OutcomeClass.CONTENT
    return OutcomeClass.TRANSIENT if said_by_provider and status >= 500 else OutcomeClass.AMBIGUOUS


def retry_after(value: str, now: datetime) -> timedelta | None:
    """The provider's wish: seconds or a date (RFC 9110, section 10.2.3). None for none, and for nonsense."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        wish = timedelta(seconds=min(int(text[:9]), 10**8))
    else:
        try:
            at = parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return None
        wish = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return min(max(wish, timedelta(0)), _LONGEST_WISH)
