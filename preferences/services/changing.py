"""Changing a client's preferences: by the client, by staff, or by the planner as far as neither of them has chosen."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final
from uuid import UUID

import pghistory
from django.db import transaction

from clients.models import Client
from clients.services.gate import bump_gate
from core import audit
from core.choices import Channel
from core.errors import FieldProblem, Invalid, NotFound
from core.impersonal import require_impersonal_text
from preferences.choices import (
    CHANNEL_LABELS,
    ConsentSource,
    ConsentState,
    Frequency,
    SettingSource,
)
from preferences.models import ClientPreferences
from preferences.rules.consent import Statement
from preferences.rules.windows import Window
from preferences.selectors.consent import consents, current_points
from preferences.services.consent import NewStatement, record_statements

MAX_WHY: Final = 200
_CONSENT_SOURCE: Final = {
    SettingSource.PLANNER: ConsentSource.PLANNER,
    SettingSource.CLIENT: ConsentSource.PAGE,
    SettingSource.STAFF: ConsentSource.STAFF,
}


class Keep(Enum):
    """Stands for a setting that is left as it is."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


@dataclass(frozen=True, slots=True)
class PreferenceChange:
    """What is wished. None takes a choice back, so that the default holds; for quiet hours and pause it is the choice
    to have none. `opted_out`: by channel, whether the client is not to be written to there."""

    preferred_channels: tuple[Channel, ...] | Keep | None = KEEP
    timezone: str | Keep | None = KEEP
    quiet_hours: Window | Keep | None = KEEP
    frequency: Frequency | Keep | None = KEEP
    pause_until: datetime | Keep | None = KEEP
    opted_out: Mapping[Channel, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes something: `actor` a reference, `wording` the words that consent was asked with, `why` a sentence
    that names nobody."""

    origin: SettingSource
    actor: str
    wording: str
    ip: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """Names of the settings that changed, and of those that the planner could not change because others had."""

    settings: tuple[str, ...]
    kept: tuple[str, ...]


# A setting, its columns, the column that says who set it.
_COLUMNS: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "preferred_channels": (("preferred_channels",), "channels_source"),
    "timezone": (("timezone",), "timezone_source"),
    "quiet_hours": (("quiet_hours_start", "quiet_hours_end"), "quiet_hours_source"),
    "frequency": (("frequency",), "frequency_source"),
    "pause_until": (("pause_until",), "pause_source"),
}


def change_preferences(
    *,
    client_id: UUID,
    change: PreferenceChange,
    author: Author,
    now: datetime,
    occurred_at: datetime | None = None,
) -> Changed:
    """Change what is named and leave the rest, in one transaction; effective from its commit on what waits and what is
    being sent. Saying again what holds changes nothing.

    Raises NotFound, and Invalid with the fields named; then nothing was changed.
    """
    why = _sound_why(author.why)
    with transaction.atomic(), pghistory.context(actor=author.actor, why=why):
        locked = Client.objects.select_for_update(no_key=True).filter(id=client_id).first()
        if locked is None:
            raise NotFound("There is no such client.", code="client_not_found")
        closed = _closed(client_id)
        _check(change, closed, now)
        row = ClientPreferences.objects.filter(client_id=client_id).first()
        is_new = row is None
        row = row or ClientPreferences(client_id=client_id, created_at=now, updated_at=now)
        settings, kept = _take_over(row, change, author.origin)
        if settings:
            row.updated_at = now
            row.save(force_insert=is_new)
            bump_gate(client_ids=[client_id])
        statements = _statements(client_id, change, author, occurred_at or now)
        if author.origin is SettingSource.PLANNER:
            # The planner never ends an opt-out of anybody else (engine.md §Consent).
            vain = [
                each for each in statements if each.channel in closed and not closed[each.channel].is_planners
            ]
            kept += tuple(
                f"opted_out.{each.channel.value}" for each in vain if each.state is ConsentState.GRANTED
            )
            statements = [each for each in statements if each not in vain]
        said = record_statements(statements=statements, actor=author.actor, now=now)
        settings += tuple(f"opted_out.{each.channel.value}" for each in said)
        if settings:
            audit.record(
                actor=author.actor,
                action="preferences.changed",
                target=f"client:{client_id}",
                details={"kind": ",".join(settings), "origin": author.origin.value},
                now=now,
            )
    return Changed(settings, kept)


def _sound_why(why: str) -> str:
    try:
        return require_impersonal_text("why", why.strip()) if why.strip() else ""
    except ValueError as error:
        message = "Leave addresses and numbers out: this is kept for good."
        raise Invalid([FieldProblem("why", "personal", message)]) from error


def _closed(client_id: UUID) -> dict[Channel, Statement]:
    """The channels that the client is opted out of, each with what says so."""
    decisions = consents([client_id], current_points([client_id]))[client_id].decisions
    return {
        channel: decision.by
        for channel, decision in decisions.items()
        if decision.by is not None and decision.by.state is ConsentState.OPTED_OUT
    }


def _check(change: PreferenceChange, closed: Collection[Channel], now: datetime) -> None:
    problems = []
    if isinstance(change.preferred_channels, tuple):
        problems += _channel_problems(change.preferred_channels, closed, change.opted_out)
    if isinstance(change.pause_until, datetime) and change.pause_until <= now:
        sentence = "Give a time that lies ahead, or leave it empty to have no pause."
        problems.append(FieldProblem("pause_until", "in_the_past", sentence))
    if problems:
        raise Invalid(problems)


def _channel_problems(
    wished: tuple[Channel, ...], closed: Collection[Channel], opted_out: Mapping[Channel, bool]
) -> list[FieldProblem]:
    if not wished:
        sentence = "Choose at least one channel, or leave the choice to us."
        return [FieldProblem("preferred_channels", "no_channel", sentence)]
    if len(set(wished)) != len(wished):
        return [FieldProblem("preferred_channels", "repeated", "Name each channel once.")]
    both = [channel for channel in wished if opted_out.get(channel, channel in closed)]
    if both:
        sentence = (
            f"{CHANNEL_LABELS[both[0]]} is both preferred and opted out. Take it out of the preferred channels, or "
            "opt in to it."
        )
        return [FieldProblem("preferred_channels", "preferred_and_opted_out", sentence)]
    return []


def _take_over(
    row: ClientPreferences, change: PreferenceChange, origin: SettingSource
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    settings, kept = [], []
    for name, (columns, source) in _COLUMNS.items():
        wished = getattr(change, name)
        if wished is KEEP:
            continue
        values = _stored(name, wished)
        # Taking a choice back leaves no origin but for what may be chosen to be none.
        said_by = "" if wished is None and name not in {"quiet_hours", "pause_until"} else origin.value
        now_there = tuple(getattr(row, column) for column in columns)
        if now_there == values and (getattr(row, source) or "") == said_by:
            continue
        if origin is SettingSource.PLANNER and getattr(row, source) in {
            SettingSource.CLIENT,
            SettingSource.STAFF,
        }:
            if now_there != values:
                kept.append(name)
            continue
        for column, value in zip(columns, values, strict=True):
            setattr(row, column, value)
        setattr(row, source, said_by)
        settings.append(name)
    return tuple(settings), tuple(kept)


def _stored(name: str, wished: Any) -> tuple[Any, ...]:
    if name == "quiet_hours":
        return (wished.start, wished.end) if wished is not None else (None, None)
    if name == "preferred_channels":
        return (None if wished is None else [channel.value for channel in wished],)
    if name == "frequency":
        return ((wished or Frequency.AT_ONCE).value,)
    return (wished,)


def _statements(
    client_id: UUID, change: PreferenceChange, author: Author, occurred_at: datetime
) -> list[NewStatement]:
    return [
        NewStatement(
            client_id=client_id,
            channel=channel,
            state=ConsentState.OPTED_OUT if opted_out else ConsentState.GRANTED,
            source=_CONSENT_SOURCE[author.origin],
            wording=author.wording,
            occurred_at=occurred_at,
            ip=author.ip,
        )
        for channel, opted_out in change.opted_out.items()
    ]
