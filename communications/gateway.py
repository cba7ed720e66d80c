"""Settings to connectors: the only place that builds them. One of each per process, made at first use."""

import threading
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from communications.connectors.base import Connector
from communications.connectors.smtp.connection import SmtpSettings
from communications.connectors.smtp.connector import SmtpConnector
from communications.connectors.twilio.connector import TwilioConnector, TwilioSettings
from communications.rules.rate_limit import Rate
from core.choices import Channel

_building = threading.Lock()


def configured_channels() -> frozenset[Channel]:
    """The channels for which this installation has what a connector needs. Asks no provider."""
    return frozenset(channel for channel, is_configured in _CONFIGURED.items() if is_configured())


def provider_names() -> dict[Channel, str]:
    """Whom each channel goes to, by the name of its connector, whether or not it is configured."""
    return {SmtpConnector.channel: SmtpConnector.name, TwilioConnector.channel: TwilioConnector.name}


def connector_for(channel: Channel) -> Connector:
    """The connector of a configured channel; KeyError for any other."""
    if channel not in configured_channels():
        raise KeyError(channel)
    with _building:
        return _CONNECTORS[channel]()


@cache
def _email_connector() -> Connector:
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


@cache
def _sms_connector() -> Connector:
    return TwilioConnector(
        TwilioSettings(
            account_sid=settings.TWILIO_ACCOUNT_SID,
            auth_token=settings.TWILIO_AUTH_TOKEN,
            sender=settings.TWILIO_MESSAGING_SERVICE_SID or settings.TWILIO_PHONE_NUMBER,
            base_url=settings.TWILIO_API_BASE_URL,
        )
    )


_CONFIGURED: Final[Mapping[Channel, Callable[[], bool]]] = {
    Channel.EMAIL: lambda: bool(settings.SMTP_HOST and settings.SMTP_FROM_EMAIL),
    Channel.SMS: lambda: bool(settings.TWILIO_ACCOUNT_SID),
}
_CONNECTORS: Final = {Channel.EMAIL: _email_connector, Channel.SMS: _sms_connector}


def rate_limit(connector_name: str) -> Rate | None:
    """How fast a connector may be called, all workers together; None for no limit of ours."""
    limits = {
        SmtpConnector.name: settings.SMTP_MAX_PER_SECOND,
        TwilioConnector.name: settings.TWILIO_MAX_PER_SECOND,
    }
    return Rate.parse(limits.get(connector_name, ""))


def close_connectors() -> None:
    """Give back every connection, e.g. when settings change in tests or a worker ends."""
    for made in _CONNECTORS.values():
        if made.cache_info().currsize:
            made().close()
            made.cache_clear()
