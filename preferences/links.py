"""Links for clients, made without a query: to unsubscribe with one click, and to the preference centre.

Each names a client, the contact point that it was sent to and its channel, so it is useless for anybody else.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings

from core.choices import Channel
from core.link_tokens import LinkRefused, make_link_token, read_link_token

PREFERENCES_LINK_LIVES: Final = timedelta(days=90)

_UNSUBSCRIBE: Final = "unsubscribe"
_PREFERENCES: Final = "preferences"
# For good: links in mails that went out carry these.
_CHANNEL_CODES: Final = {Channel.EMAIL: b"e", Channel.SMS: b"s", Channel.WHATSAPP: b"w"}
_CHANNELS: Final = {code: channel for channel, code in _CHANNEL_CODES.items()}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SUBJECT_BYTES: Final = 33
_DAY_BYTES: Final = 2


@dataclass(frozen=True, slots=True)
class LinkSubject:
    """Whom a link is for: a client, at one of their contact points, on a channel."""

    client_id: UUID
    contact_point_id: UUID
    channel: Channel


class LinkExpired(Exception):
    """A link of ours whose time is over."""


def unsubscribe_url(subject: LinkSubject) -> str:
    """For `List-Unsubscribe` and the footer: POST opts out, GET asks (RFC 8058). Never expires."""
    return f"{settings.CRM_PUBLIC_URL}/u/{unsubscribe_token(subject)}"


def preferences_url(subject: LinkSubject, *, now: datetime) -> str:
    """The preference centre; ends PREFERENCES_LINK_LIVES after `now` (real time), at the end of that day of UTC."""
    return f"{settings.CRM_PUBLIC_URL}/p/{preferences_token(subject, now=now)}"


def unsubscribe_token(subject: LinkSubject) -> str:
    return make_link_token(_UNSUBSCRIBE, _packed(subject))


def preferences_token(subject: LinkSubject, *, now: datetime) -> str:
    last_day = (now + PREFERENCES_LINK_LIVES - _EPOCH).days
    return make_link_token(_PREFERENCES, _packed(subject) + last_day.to_bytes(_DAY_BYTES, "big"))


def read_unsubscribe_token(token: str) -> LinkSubject:
    """Raises LinkRefused."""
    return _unpacked(read_link_token(_UNSUBSCRIBE, token), _SUBJECT_BYTES)


def read_preferences_token(token: str, *, now: datetime) -> LinkSubject:
    """`now` is real time. Raises LinkRefused, and LinkExpired."""
    payload = read_link_token(_PREFERENCES, token)
    subject = _unpacked(payload, _SUBJECT_BYTES + _DAY_BYTES)
    if (now - _EPOCH).days > int.from_bytes(payload[_SUBJECT_BYTES:], "big"):
        raise LinkExpired
    return subject


def _packed(subject: LinkSubject) -> bytes:
    return subject.client_id.bytes + subject.contact_point_id.bytes + _CHANNEL_CODES[subject.channel]


def _unpacked(payload: bytes, length: int) -> LinkSubject:
    channel = _CHANNELS.get(payload[32:_SUBJECT_BYTES])
    if len(payload) != length or channel is None:
        raise LinkRefused
    return LinkSubject(UUID(bytes=payload[:16]), UUID(bytes=payload[16:32]), channel)
