"""What counts for the cap of a day (engine.md §Time)."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from communications.choices import Urgency
from communications.rules.daily_cap import DailyCap, Planned, cap_of, parse_limit
from communications.rules.strategy import decide
from communications.tests.rules.deciding import KOLKATA, NOON, codes, facts
from preferences.rules.windows import SettingRefused

TODAY, TOMORROW = date(2026, 11, 21), date(2026, 11, 22)
LATE = datetime(2026, 11, 21, 19, 0, tzinfo=UTC)  # 00:30 of the 22nd in Kolkata


@pytest.mark.parametrize(("setting", "limit"), [("3", 3), (" 12 ", 12), ("1", 1), ("", None), ("  ", None)])
def test_the_setting(setting, limit):
    assert parse_limit(setting) == limit


@pytest.mark.parametrize("setting", ["0", "-1", "three", "2.5", "00", "٣", "1e3"])
def test_a_setting_that_cannot_hold_is_refused_with_what_to_write(setting):
    with pytest.raises(SettingRefused) as refused:
        parse_limit(setting)
    assert refused.value.code == "cap_too_low"
    assert "at least 1" in refused.value.detail
    assert "empty for no cap" in refused.value.detail


def test_days_are_those_of_the_client():
    planned = [Planned(NOON), Planned(LATE)]
    assert cap_of(3, planned, KOLKATA).counted == {TODAY: 1, TOMORROW: 1}
    assert cap_of(3, planned, ZoneInfo("America/New_York")).counted == {TODAY: 2}


def test_no_limit_is_no_cap():
    assert cap_of(None, [Planned(NOON)], KOLKATA) is None


def test_what_is_held_for_one_digest_counts_once():
    key = "email:service:2026-11-22"
    cap = cap_of(3, [Planned(LATE, key), Planned(LATE, key), Planned(LATE)], KOLKATA)
    assert (cap.counted, cap.digest_days) == ({TOMORROW: 2}, {TOMORROW})


@pytest.mark.parametrize(
    ("cap", "day"),
    [
        pytest.param(DailyCap(1, {TODAY: 1, TOMORROW: 1}), 23, id="a full day gets no digest"),
        pytest.param(
            DailyCap(1, {TODAY: 1, TOMORROW: 1}, frozenset({TOMORROW})), 22, id="one more in its digest"
        ),
    ],
)
def test_a_full_day_takes_one_more_into_the_digest_that_waits_there(cap, day):
    strategy = decide(facts("task_update", daily_cap=cap, digests=True))
    assert strategy.deliveries[0].send_at.astimezone(KOLKATA).day == day
    assert strategy.batch_key == f"email:service:2026-11-{day}"


def test_what_joins_no_digest_has_no_use_of_it():
    cap = DailyCap(1, {TODAY: 1}, frozenset({TODAY}))
    strategy = decide(facts("task_update", urgency=Urgency.NORMAL, daily_cap=cap, digests=True))
    assert "frequency_cap" in codes(strategy)
    assert strategy.deliveries[0].send_at.astimezone(KOLKATA).day == 22


def test_a_digest_is_an_email():
    """On another channel each goes out by itself in its slot, and its day may be full."""
    cap = DailyCap(1, {TOMORROW: 1}, frozenset({TOMORROW}))
    strategy = decide(facts("task_update", open_channels=("sms",), daily_cap=cap, digests=True))
    assert strategy.batch_key is None
    assert strategy.deliveries[0].send_at.astimezone(KOLKATA).day == 23
