"""What this app adds to the health report. Never a call of a provider."""

from functools import partial

from communications.gateway import configured_channels
from core.choices import Channel
from core.health import Health, HealthStatus, register_check


def channel_health(channel: Channel) -> Health:
    if channel in configured_channels():
        return Health(HealthStatus.HEALTHY, "Configured.")
    return Health(HealthStatus.NOT_CONFIGURED, "No connector is set up.")


def register() -> None:
    for channel in Channel:
        register_check(channel.value, partial(channel_health, channel))
