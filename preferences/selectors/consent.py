from collections.abc import Collection
from uuid import UUID

from core.choices import Channel
from preferences.rules.consent import open_by_default


def allowed_channels(client_ids: Collection[UUID]) -> dict[UUID, frozenset[Channel]]:
    """The channels on which these clients may be written to for service messages."""
    defaults = frozenset(channel for channel in Channel if open_by_default(channel))
    return dict.fromkeys(client_ids, defaults)
