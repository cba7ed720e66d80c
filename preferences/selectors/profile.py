"""A client's effective settings, each with who set it, as pages and API show them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings

from clients.choices import CONTACT_KIND_OF
from core.choices import Channel
from preferences.choices import ConsentSource, ConsentState, SettingSource
from preferences.models import ClientPreferences
from preferences.rules.consent import Statement
from preferences.selectors.consent import consents, current_points
from preferences.selectors.effective import EffectivePreferences, effective_of

DEFAULT: Final = "default"
# In which order channels come where nobody chose: e-mail first (PRF-1).
USUAL_ORDER: Final = (Channel.EMAIL, Channel.WHATSAPP, Channel.SMS)


@dataclass(frozen=True)
class ChannelState:
    """Whether a channel may be used and, where somebody said so, who and when. `is_known`: it has an address."""

    channel: Channel
    is_known: bool
    is_open: bool
    is_suppressed: bool
    by: Statement | None

    @property
    def opted_out(self) -> bool:
        return self.by is not None and self.by.state is ConsentState.OPTED_OUT

    @property
    def source(self) -> ConsentSource | None:
        return self.by.source if self.by is not None else None

    @property
    def since(self) -> datetime | None:
        return self.by.occurred_at if self.by is not None else None


@dataclass(frozen=True)
class Profile:
    """`origins` by setting: `default`, or who set it."""

    effective: EffectivePreferences
    origins: Mapping[str, str]
    channels: Mapping[Channel, ChannelState]

    @property
    def order(self) -> tuple[Channel, ...]:
        """The channels in the client's order, or the usual one."""
        return USUAL_ORDER if self.effective.chosen_channels is None else self.effective.chosen_channels


def profile_of(client_id: UUID) -> Profile:
    """Three queries."""
    row = ClientPreferences.objects.filter(client_id=client_id).first()
    points = current_points([client_id])
    consent = consents([client_id], points)[client_id]
    return Profile(
        effective=effective_of(row, settings.CRM_DEFAULT_TIMEZONE),
        origins=_origins(row),
        channels={
            channel: ChannelState(
                channel=channel,
                is_known=(client_id, CONTACT_KIND_OF[channel]) in points,
                is_open=channel in consent.allowed,
                is_suppressed=channel in consent.suppressed,
                by=consent.decisions[channel].by,
            )
            for channel in Channel
        },
    )


def _origins(row: ClientPreferences | None) -> dict[str, str]:
    """Values that are older than their origins were set by the planner or by hand in the database."""
    if row is None:
        return dict.fromkeys(
            ("preferred_channels", "timezone", "quiet_hours", "frequency", "pause_until"), DEFAULT
        )
    return {
        "preferred_channels": _origin(row.channels_source, row.preferred_channels is not None),
        "timezone": _origin(row.timezone_source, row.timezone is not None),
        "quiet_hours": _origin(row.quiet_hours_source, row.quiet_hours_start is not None),
        "frequency": _origin(row.frequency_source, is_set=False),
        "pause_until": _origin(row.pause_source, row.pause_until is not None),
    }


def _origin(source: str, is_set: bool) -> str:
    return source or (SettingSource.STAFF.value if is_set else DEFAULT)
