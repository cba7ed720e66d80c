"""What this app adds to the health report. Never a call of a provider."""

from functools import partial

from communications.gateway import configured_channels, provider_names
from communications.services.circuits import glance_at
from core.choices import Channel
from core.health import Health, HealthStatus, register_check


def channel_health(channel: Channel) -> Health:
    """What the last calls told of the channel's provider: its circuit, as all workers share it."""
    if channel not in configured_channels():
        return Health(HealthStatus.NOT_CONFIGURED, "No connector is set up.")
    names = provider_names()[channel]
    found = glance_at(names)
    if found is None:
        return Health(HealthStatus.HEALTHY, "Configured; its circuit is not known while the cache is away.")
    circuits = [found[name].circuit for name in names]
    circuit = next((each for each in circuits if each.is_open), circuits[0])
    if circuit.opened_at is None:
        return Health(HealthStatus.HEALTHY, "Configured; its circuit is closed.")
    if not all(each.is_open for each in circuits):
        up = ", ".join(name for name in names if not found[name].circuit.is_open)
        return Health(
            HealthStatus.DEGRADED, f"Carried by {up} alone: the circuit of another provider is open."
        )
    why = "our account is not in order" if circuit.configuration else "calls failed in a row"
    return Health(
        HealthStatus.DEGRADED, f"Its circuit is open since {circuit.opened_at:%Y-%m-%d %H:%M} UTC: {why}."
    )


def register() -> None:
    for channel in Channel:
        register_check(channel.value, partial(channel_health, channel))
