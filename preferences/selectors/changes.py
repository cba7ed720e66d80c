"""Who changed a client's settings, what, and why: the history that pghistory keeps, as changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from core.people import actor_names
from preferences.models import ClientPreferences

# Columns that belong together, by the setting that they are.
SETTINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "preferred_channels": ("preferred_channels",),
    "timezone": ("timezone",),
    "quiet_hours": ("quiet_hours_start", "quiet_hours_end"),
    "frequency": ("frequency",),
    "pause_until": ("pause_until",),
}
_MOST: Final = 50


@dataclass(frozen=True)
class SettingChange:
    """`before` and `after` hold the values of the setting's columns."""

    setting: str
    before: tuple[Any, ...]
    after: tuple[Any, ...]


@dataclass(frozen=True)
class Change:
    """`at` is real time. `who` in words; `why` empty where nothing was said."""

    at: datetime
    who: str
    why: str
    settings: Sequence[SettingChange]


def changes_of(client_id: UUID) -> list[Change]:
    """The newest first, 50 at most. Three queries."""
    row = ClientPreferences.objects.filter(client_id=client_id).first()
    if row is None:
        return []
    history = ClientPreferences.pgh_event_model.objects.filter(pgh_obj_id=client_id)  # type: ignore[attr-defined]  # made by pghistory.track
    older = list(history.select_related("pgh_context").order_by("-pgh_id")[:_MOST])
    contexts = [event.pgh_context.metadata if event.pgh_context else {} for event in older]
    names = actor_names({context.get("actor", "") for context in contexts})
    found, newer = [], row
    for event, context in zip(older, contexts, strict=True):
        settings = [
            SettingChange(name, _values(event, columns), _values(newer, columns))
            for name, columns in SETTINGS.items()
            if _values(event, columns) != _values(newer, columns)
        ]
        if settings:
            actor = context.get("actor", "")
            found.append(Change(event.pgh_created_at, _who(actor, names), context.get("why", ""), settings))
        newer = event
    return found


def _values(row: Any, columns: Sequence[str]) -> tuple[Any, ...]:
    return tuple(
        tuple(value) if isinstance(value, list) else value
        for value in (getattr(row, column) for column in columns)
    )


def _who(actor: str, names: Mapping[str, str]) -> str:
    if actor.startswith("client:"):
        return "the client"
    return names.get(actor, actor) or "the planning agent"
