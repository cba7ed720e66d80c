from datetime import UTC, datetime, time

import pytest
from django.db import IntegrityError, transaction

from clients.models import Client
from clients.services.register import ContactDetails
from clients.tests.factories import a_client
from core.choices import Channel
from preferences.choices import SettingSource
from preferences.models import ClientPreferences
from preferences.rules.windows import Window
from preferences.selectors.effective import effective_preferences
from preferences.services.profile import look_up_profiles, store_profiles

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)


@pytest.fixture
def client_row() -> Client:
    return a_client("client-1", ContactDetails(name="Priya", email="priya@example.com"), now=NOW)


def ensure_profile(*, client: Client, planner_timezone: str | None) -> ClientPreferences:
    profiles = look_up_profiles({client.id: planner_timezone}, known=[client.id], now=NOW)
    store_profiles(list(profiles.values()), now=NOW)
    return ClientPreferences.objects.get(client=client)


def test_the_first_contact_makes_the_default_profile(client_row: Client) -> None:
    """PRF-1"""
    profile = ensure_profile(client=client_row, planner_timezone=None)
    assert (profile.preferred_channels, profile.timezone, profile.quiet_hours_start) == (None, None, None)
    effective = effective_preferences([client_row.id], default_timezone="Europe/Rome")[client_row.id]
    assert (effective.zone.key, effective.zone_is_default, effective.chosen_channels) == (
        "Europe/Rome",
        True,
        None,
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("", "Asia/Kolkata", id="nobody set it"),
        pytest.param(SettingSource.PLANNER, "Asia/Kolkata", id="the planner set it"),
        pytest.param(SettingSource.CLIENT, "America/New_York", id="the client set it"),
        pytest.param(SettingSource.STAFF, "America/New_York", id="staff set it"),
    ],
)
def test_the_planner_never_overrides_client_or_staff(client_row: Client, source: str, expected: str) -> None:
    ensure_profile(client=client_row, planner_timezone="America/New_York")
    ClientPreferences.objects.update(timezone_source=source)
    before = Client.objects.get().gate_version
    ensure_profile(client=client_row, planner_timezone="Asia/Kolkata")
    assert ClientPreferences.objects.get().timezone == expected
    assert (Client.objects.get().gate_version > before) is (expected == "Asia/Kolkata")


def test_effective_settings_are_read_in_one_query(
    client_row: Client, django_assert_num_queries: object
) -> None:
    ensure_profile(client=client_row, planner_timezone="Asia/Kolkata")
    ClientPreferences.objects.update(
        preferred_channels=["whatsapp", "email"], quiet_hours_start=time(21), quiet_hours_end=time(7)
    )
    others = [client_row.id] * 50
    with django_assert_num_queries(1):  # type: ignore[operator] - pytest-django's fixture is a callable
        effective = effective_preferences(others, default_timezone="UTC")[client_row.id]
    assert effective.chosen_channels == (Channel.WHATSAPP, Channel.EMAIL)
    assert effective.quiet_hours == Window(time(21), time(7))


@pytest.mark.parametrize(("start", "end"), [(time(22), None), (None, time(8)), (time(8), time(8))])
def test_impossible_quiet_hours_cannot_be_stored(
    client_row: Client, start: time | None, end: time | None
) -> None:
    ensure_profile(client=client_row, planner_timezone=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        ClientPreferences.objects.update(quiet_hours_start=start, quiet_hours_end=end)


def test_a_zone_that_the_database_of_zones_lost_gives_way_to_the_default(client_row: Client) -> None:
    ensure_profile(client=client_row, planner_timezone="Asia/Kolkata")
    ClientPreferences.objects.update(timezone="Atlantis/Capital")
    effective = effective_preferences([client_row.id], default_timezone="Europe/Rome")[client_row.id]
    assert (effective.zone.key, effective.zone_is_default) == ("Europe/Rome", True)
