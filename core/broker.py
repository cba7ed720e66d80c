"""Reaching the broker from where nobody may wait long: requests and health checks."""

from celery import current_app
from kombu import Connection
from kombu.exceptions import KombuError

TIMEOUT_SECONDS = 1

_QUICK = {"socket_connect_timeout": TIMEOUT_SECONDS, "socket_timeout": TIMEOUT_SECONDS, "max_retries": 0}


def quick_connection() -> Connection:
    """A connection, not yet opened, that gives up after about a second. Equal ones share kombu's pools."""
    return current_app.connection_for_write(
        connect_timeout=TIMEOUT_SECONDS,
        transport_options={**current_app.conf.broker_transport_options, **_QUICK},
    )


def failures(connection: Connection) -> tuple[type[BaseException], ...]:
    """What may be raised when the broker cannot be used: the transport's errors, kombu's, the socket's."""
    return (
        *connection.connection_errors,
        *connection.channel_errors,
        *connection.recoverable_connection_errors,
        KombuError,
        OSError,
    )
