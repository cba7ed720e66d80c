"""Settings to connectors: the only place that builds them. One of each per process, made at first use."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from communications.connectors.base import Connector
from communications.connectors.smtp.connection import SmtpSettings
from communications.connectors.smtp.connector import SmtpConnector
from communications.connectors.telnyx.connector import TelnyxConnector, TelnyxSettings
from communications.connectors.twilio.connector import TwilioConnector, TwilioSettings
from communications.rules.rate_limit import Rate
from core.choices import Channel

_building = threading.Lock()
_built: dict[str, Connector] = {}


def configured_channels() -> frozenset[Channel]:
    """The channels for which this installation has what a connector needs. Asks no provider."""
    return frozenset(made.channel for made in _PROVIDERS if made.is_configured())


def provider_names() -> dict[Channel, tuple[str, ...]]:
    """Whom each configured channel goes to, by the names of its connectors, the first choice first."""
    names: dict[Channel, tuple[str, ...]] = {}
    for made in _PROVIDERS:
        if made.is_configured():
            names[made.channel] = (*names.get(made.channel, ()), made.name)
    return names


def connectors_for(channel: Channel) -> tuple[Connector, ...]:
    """The connectors of a configured channel, the first choice first; KeyError for any other."""
    wanted = [made for made in _PROVIDERS if made.channel is channel and made.is_configured()]
    if not wanted:
        raise KeyError(channel)
    with _building:
        for made in wanted:
            if made.name not in _built:
                _built[made.name] = made.build()
        return tuple(_built[made.name] for made in wanted)


def connector_for(channel: Channel) -> Connector:
    """The first choice of a configured channel; KeyError for any other."""
    return connectors_for(channel)[0]


def _smtp() -> Connector:
    return SmtpConnector(
        SmtpSettings(
            host=settings.SMTP_HOST,
            port=settings.SMTP_PORT,
            username=settings.SMTP_USERNAME,
            password=settings.SMTP_PASSWORD,
            use_tls=settings.SMTP_USE_TLS,
            local_hostname=urlsplit(settings.CRM_PUBLIC_URL).hostname or "localhost",
        )
    )


def _twilio() -> Connector:
    return TwilioConnector(
        TwilioSettings(
            account_sid=settings.TWILIO_ACCOUNT_SID,
            auth_token=settings.TWILIO_AUTH_TOKEN,
            sender=settings.TWILIO_MESSAGING_SERVICE_SID or settings.TWILIO_PHONE_NUMBER,
            base_url=settings.TWILIO_API_BASE_URL,
        )
    )


def _telnyx() -> Connector:
    return TelnyxConnector(
        TelnyxSettings(
            api_key=settings.TELNYX_API_KEY,
            sender=settings.TELNYX_PHONE_NUMBER,
            messaging_profile_id=settings.TELNYX_MESSAGING_PROFILE_ID,
            base_url=settings.TELNYX_API_BASE_URL,
        )
    )


@dataclass(frozen=True)
class _Provider:
    """`rate_setting` names the setting that holds its rate."""

    name: str
    channel: Channel
    is_configured: Callable[[], bool]
    build: Callable[[], Connector]
    rate_setting: str


_PROVIDERS: Final = (
    _Provider(
        SmtpConnector.name,
        SmtpConnector.channel,
        lambda: bool(settings.SMTP_HOST and settings.SMTP_FROM_EMAIL),
        _smtp,
        "SMTP_MAX_PER_SECOND",
    ),
    _Provider(
        TwilioConnector.name,
        TwilioConnector.channel,
        lambda: bool(settings.TWILIO_ACCOUNT_SID),
        _twilio,
        "TWILIO_MAX_PER_SECOND",
    ),
    _Provider(
        TelnyxConnector.name,
        TelnyxConnector.channel,
        lambda: bool(settings.TELNYX_API_KEY),
        _telnyx,
        "TELNYX_MAX_PER_SECOND",
    ),
)
"""Of a channel with several, the first is the first choice."""


def rate_limit(connector_name: str) -> Rate | None:
    """How fast a connector may be called, all workers together; None for no limit of ours."""
    for made in _PROVIDERS:
        if made.name == connector_name:
            return Rate.parse(getattr(settings, made.rate_setting))
    return None


def close_connectors() -> None:
    """Give back every connection, e.g. when settings change in tests or a worker ends."""
    with _building:
        connectors = list(_built.values())
        _built.clear()
    for connector in connectors:
        connector.close()
