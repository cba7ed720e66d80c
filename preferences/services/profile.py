from datetime import datetime

from clients.models import Client
from clients.services.gate import bump_gate
from preferences.choices import SettingSource
from preferences.models import ClientPreferences


def ensure_profile(*, client: Client, planner_timezone: str | None, now: datetime) -> ClientPreferences:
    """The client's preferences, made with the defaults at first contact (PRF-1).

    The planner's timezone (a valid IANA name) is kept until the client or staff set one. Call it with the
    client's row locked.
    """
    profile, created = ClientPreferences.objects.get_or_create(
        client=client,
        defaults={
            "timezone": planner_timezone,
            "timezone_source": SettingSource.PLANNER if planner_timezone else "",
            "created_at": now,
            "updated_at": now,
        },
    )
    may_follow = profile.timezone_source in {"", SettingSource.PLANNER}
    if not created and planner_timezone and may_follow and profile.timezone != planner_timezone:
        profile.timezone = planner_timezone
        profile.timezone_source = SettingSource.PLANNER
        profile.updated_at = now
        profile.save(update_fields=["timezone", "timezone_source", "updated_at"])
        bump_gate(client_ids=[client.id])
    return profile
