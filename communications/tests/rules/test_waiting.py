"""What is held for a digest, and what waits because the day is full (STR-4)."""

from datetime import date, time

import pytest

from communications.choices import Urgency
from communications.rules.daily_cap import DailyCap
from communications.rules.facts import PreferenceFacts
from communications.rules.strategy import decide
from communications.tests.rules.deciding import EVENING, KOLKATA, NOON, codes, facts
from preferences.choices import Frequency
from preferences.rules.windows import SettingRefused


@pytest.mark.parametrize(
    ("name", "urgency", "frequency", "values", "key"),
    [
        ("timeline_update", "low", "at_once", {}, "email:service:2026-11-22"),
        ("task_update", "normal", "daily", {}, "email:service:2026-11-22"),
        ("task_update", "normal", "weekly", {}, "email:service:2026-11-23"),
        ("task_update", "normal", "at_once", {}, None),
        ("custom", "low", "at_once", {}, "email:service:2026-11-22"),
        ("custom", "normal", "daily", {}, None),
        ("custom", "low", "daily", {"expects_answer": True}, None),
        ("custom", "low", "daily", {"has_attachments": True}, None),
        ("timeline_update", "high", "daily", {}, None),
        ("timeline_update", "critical", "daily", {}, None),
        ("welcome", "low", "daily", {}, None),
        ("vendor_options", "low", "weekly", {}, None),
    ],
)
def test_what_is_held_for_a_digest(name, urgency, frequency, values, key):
    """STR-4: NOON is a Saturday's, after the slot; the weekly one is on Mondays."""
    preferences = PreferenceFacts(frequency=Frequency(frequency))
    strategy = decide(facts(name, urgency=Urgency(urgency), preferences=preferences, digests=True, **values))
    assert strategy.batch_key == key
    assert ("joins_digest" in codes(strategy)) is (key is not None)
    if key is not None:
        (delivery,) = strategy.deliveries
        local = delivery.send_at.astimezone(KOLKATA)
        assert (key[-10:], local.time()) == (str(local.date()), time(10))


def test_without_digests_what_can_wait_goes_out_by_itself_in_its_slot():
    strategy = decide(facts("timeline_update"))
    assert (strategy.batch_key, codes(strategy)) == (None, ["usual_channel", "digest_slot"])


def test_what_cannot_wait_for_its_slot_joins_no_digest():
    strategy = decide(facts("timeline_update", digests=True, deliver_by=EVENING))
    assert (strategy.batch_key, strategy.deliveries[0].send_at) == (None, NOON)
    assert codes(strategy) == ["usual_channel", "slot_gave_way"]


@pytest.mark.parametrize(
    ("name", "urgency", "waits"),
    [
        ("welcome", "normal", True),
        ("vendor_options", "high", True),
        ("selection_confirmation", "normal", False),
        ("blueprint_delivery", "high", False),
        ("error_notification", "high", False),
        ("custom", "critical", False),
    ],
)
def test_the_table_says_which_types_are_capped(name, urgency, waits):
    cap = DailyCap(limit=3, counted={date(2026, 11, 21): 3})
    strategy = decide(facts(name, urgency=Urgency(urgency), daily_cap=cap))
    assert ("frequency_cap" in codes(strategy)) is waits
    assert all((delivery.send_at > NOON) is waits for delivery in strategy.deliveries)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_cap_below_one_is_refused(limit):
    with pytest.raises(SettingRefused) as refused:
        DailyCap(limit=limit, counted={})
    assert refused.value.code == "cap_too_low"
    assert "leave it empty" in refused.value.detail
