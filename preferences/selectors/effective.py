from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from core.choices import Channel
from core.logs import get_logger
from preferences.choices import Frequency
from preferences.models import ClientPreferences
from preferences.rules.windows import SettingRefused, Window, parse_zone

log = get_logger("preferences")


@dataclass(frozen=True)
class EffectivePreferences:
    """What holds for a client, defaults filled in. `chosen_channels` None: the client never chose."""

    zone: ZoneInfo
    zone_is_default: bool
    chosen_channels: tuple[Channel, ...] | None
    quiet_hours: Window | None
    pause_until: datetime | None
    frequency: Frequency = Frequency.AT_ONCE


def effective_preferences(
    client_ids: Collection[UUID], *, default_timezone: str
) -> dict[UUID, EffectivePreferences]:
    """One query for all of them; a client without a row gets the defaults (PRF-1)."""
    rows = ClientPreferences.objects.in_bulk(list(client_ids))
    return {client_id: effective_of(rows.get(client_id), default_timezone) for client_id in client_ids}


def effective_of(row: ClientPreferences | None, default_timezone: str) -> EffectivePreferences:
    """What a row at hand means; None: the client never set anything."""
    if row is None:
        return EffectivePreferences(parse_zone(default_timezone), True, None, None, None)
    zone = _zone(row.timezone)
    quiet = None
    if row.quiet_hours_start is not None and row.quiet_hours_end is not None:
        quiet = Window(row.quiet_hours_start, row.quiet_hours_end)
    return EffectivePreferences(
        zone=zone or parse_zone(default_timezone),
        zone_is_default=zone is None,
        chosen_channels=(
            None
            if row.preferred_channels is None
            else tuple(Channel(name) for name in row.preferred_channels)
        ),
        quiet_hours=quiet,
        pause_until=row.pause_until,
        frequency=Frequency(row.frequency),
    )


def _zone(name: str | None) -> ZoneInfo | None:
    """None when it was never set, or when a newer tz database does not know it: one row must not stop a batch."""
    if not name:
        return None
    try:
        return parse_zone(name)
    except SettingRefused:
        log.warning("stored timezone unknown")
        return None
