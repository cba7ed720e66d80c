"""The hours that an installation sets (engine.md §Time)."""

from datetime import UTC, datetime, time

import pytest

from communications.rules.policy import USUAL_HOURS, Hours, parse_hours
from communications.rules.strategy import decide
from communications.tests.rules.deciding import EVENING, KOLKATA, facts
from preferences.rules.windows import SettingRefused, Window

SHORT = Hours(Window(time(11), time(16)), time(15, 30))


@pytest.mark.parametrize(
    ("contact", "slot", "hours"),
    [
        ("09:00-21:00", "10:00", USUAL_HOURS),
        (" 11:00 – 16:00 ", "15:30", SHORT),
        ("08:00-22:00", "08:00", Hours(Window(time(8), time(22)), time(8))),
    ],
)
def test_settings_that_hold(contact, slot, hours):
    assert parse_hours(contact, slot) == hours


@pytest.mark.parametrize(
    ("contact", "slot", "code"),
    [
        ("", "10:00", "no_window"),
        ("9-21", "10:00", "no_time"),
        ("09:00-24:00", "10:00", "no_time"),
        ("21:00-09:00", "10:00", "window_leaves_no_time"),
        ("22:00-23:00", "22:30", "window_leaves_no_time"),
        ("09:00-09:00", "10:00", "window_empty"),
        ("09:00-21:00", "21:00", "slot_outside_contact_hours"),
        ("09:00-21:00", "ten", "no_time"),
    ],
)
def test_settings_that_cannot_hold_are_refused_with_what_to_write(contact, slot, code):
    with pytest.raises(SettingRefused) as refused:
        parse_hours(contact, slot)
    assert refused.value.code == code
    assert ":00" in refused.value.detail or "empty" in refused.value.detail


def test_decisions_follow_them_and_say_so():
    normal, low = (
        decide(facts(now=EVENING, hours=SHORT)),
        decide(facts("task_update", now=EVENING, hours=SHORT)),
    )
    assert normal.deliveries[0].send_at == datetime(2026, 11, 22, 11, tzinfo=KOLKATA).astimezone(UTC)
    assert normal.deliveries[0].send_before == datetime(2026, 11, 22, 16, tzinfo=KOLKATA).astimezone(UTC)
    assert (
        normal.reasons[-1].text
        == "Held until 11:00 Asia/Kolkata: outside the contact window, 11:00 to 16:00."
    )
    assert low.deliveries[0].send_at == datetime(2026, 11, 22, 15, 30, tzinfo=KOLKATA).astimezone(UTC)


def test_the_best_hour_lies_inside_them():
    strategy = decide(facts("task_update", now=EVENING, hours=SHORT, engagements_by_hour={9: 9, 12: 5}))
    assert strategy.deliveries[0].send_at == datetime(2026, 11, 22, 12, tzinfo=KOLKATA).astimezone(UTC)
