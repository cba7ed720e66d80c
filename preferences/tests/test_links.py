from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from core.choices import Channel
from core.link_tokens import LinkRefused
from preferences.links import (
    PREFERENCES_LINK_LIVES,
    LinkExpired,
    LinkSubject,
    preferences_token,
    preferences_url,
    read_preferences_token,
    read_unsubscribe_token,
    unsubscribe_token,
    unsubscribe_url,
)

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize("channel", Channel)
def test_a_link_names_its_client_contact_point_and_channel(channel: Channel) -> None:
    subject = LinkSubject(uuid4(), uuid4(), channel)
    assert read_unsubscribe_token(unsubscribe_token(subject)) == subject
    assert read_preferences_token(preferences_token(subject, now=NOW), now=NOW) == subject


def test_the_preference_centre_closes_after_its_time_and_unsubscribing_never_does() -> None:
    subject = LinkSubject(uuid4(), uuid4(), Channel.EMAIL)
    token = preferences_token(subject, now=NOW)
    assert read_preferences_token(token, now=NOW + PREFERENCES_LINK_LIVES) == subject
    with pytest.raises(LinkExpired):
        read_preferences_token(token, now=NOW + PREFERENCES_LINK_LIVES + timedelta(days=1))


def test_one_link_is_not_the_other() -> None:
    subject = LinkSubject(uuid4(), uuid4(), Channel.EMAIL)
    with pytest.raises(LinkRefused):
        read_preferences_token(unsubscribe_token(subject), now=NOW)
    with pytest.raises(LinkRefused):
        read_unsubscribe_token(preferences_token(subject, now=NOW))


def test_links_are_under_the_public_address_and_short_enough_for_a_header(settings: object) -> None:
    settings.CRM_PUBLIC_URL = "https://crm.planiva.example"  # type: ignore[attr-defined]
    subject = LinkSubject(uuid4(), uuid4(), Channel.EMAIL)
    assert unsubscribe_url(subject).startswith("https://crm.planiva.example/u/")
    assert preferences_url(subject, now=NOW).startswith("https://crm.planiva.example/p/")
    assert len(unsubscribe_url(subject)) < 120
