"""The preferences that a client has from first contact on (PRF-1): first looked up, then stored, as requests are."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from clients.services.gate import bump_gate
from core.copying import copy_in, new_row
from preferences.choices import SettingSource
from preferences.models import ClientPreferences


@dataclass(frozen=True, slots=True)
class Profile:
    """A client's preferences as they are once stored."""

    row: ClientPreferences
    is_new: bool
    zone_changed: bool


def look_up_profiles(
    planner_timezones: Mapping[UUID, str | None], *, known: Collection[UUID], now: datetime
) -> dict[UUID, Profile]:
    """The preferences of these clients, made with the defaults where there are none. One query, for the `known`.

    The planner's timezone (a valid IANA name) is kept until the client or staff set one. Call it with the clients'
    rows locked.
    """
    rows = ClientPreferences.objects.in_bulk(list(known)) if known else {}
    return {
        client_id: _profile(client_id, rows.get(client_id), timezone, now)
        for client_id, timezone in planner_timezones.items()
    }


def store_profiles(profiles: Sequence[Profile], *, now: datetime) -> None:
    """Write what is new or different, in the transaction that looked it up and after the clients are stored."""
    copy_in(ClientPreferences, (vars(profile.row) for profile in profiles if profile.is_new))
    changed = [profile.row for profile in profiles if profile.zone_changed]
    if not changed:
        return
    sql = """
        UPDATE crm_client_preferences SET timezone = said.timezone, timezone_source = %s, updated_at = %s
          FROM unnest(%s::uuid[], %s::text[]) AS said(client_id, timezone)
         WHERE crm_client_preferences.client_id = said.client_id
    """
    ids = [row.client_id for row in changed]
    with connection.cursor() as cursor:
        cursor.execute(sql, [SettingSource.PLANNER, now, ids, [row.timezone for row in changed]])
    bump_gate(client_ids=ids)


def _profile(
    client_id: UUID, row: ClientPreferences | None, planner_timezone: str | None, now: datetime
) -> Profile:
    if row is None:
        source = SettingSource.PLANNER if planner_timezone else ""
        made = new_row(
            ClientPreferences,
            client_id=client_id,
            timezone=planner_timezone,
            timezone_source=source,
            created_at=now,
            updated_at=now,
        )
        return Profile(made, is_new=True, zone_changed=False)
    may_follow = row.timezone_source in {"", SettingSource.PLANNER}
    if planner_timezone and may_follow and row.timezone != planner_timezone:
        row.timezone, row.timezone_source = planner_timezone, SettingSource.PLANNER
        return Profile(row, is_new=False, zone_changed=True)
    return Profile(row, is_new=False, zone_changed=False)
