"""What can wait, for which slot, and what is merged there (STR-4, ORC-2, EML-14)."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from communications.choices import MessageType, Urgency
from communications.rules import reasons
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.slots import DAILY_SLOT, Slot, batch_key, best_hour, may_be_merged, slot_for
from core.choices import Channel, Purpose
from preferences.choices import Frequency

MERGED_WHEN_LOW = {MessageType.TIMELINE_UPDATE, MessageType.TASK_UPDATE, MessageType.CUSTOM}
MERGED_WHEN_NORMAL = {MessageType.TIMELINE_UPDATE, MessageType.TASK_UPDATE}


@pytest.mark.parametrize("urgency", Urgency)
@pytest.mark.parametrize("name", MessageType)
def test_what_may_be_merged(name, urgency):
    """Never high, never critical; custom messages only when low."""
    expected = {Urgency.LOW: MERGED_WHEN_LOW, Urgency.NORMAL: MERGED_WHEN_NORMAL}.get(urgency, set())
    rule = MESSAGE_TYPES[name]
    assert may_be_merged(rule, urgency, has_attachments=False, expects_answer=False) is (name in expected)
    assert not may_be_merged(rule, urgency, has_attachments=True, expects_answer=False)
    assert not may_be_merged(rule, urgency, has_attachments=False, expects_answer=True)


@pytest.mark.parametrize(
    ("by_hour", "expected"),
    [
        pytest.param({}, None, id="nothing known"),
        pytest.param({18: 4}, None, id="four are too few"),
        pytest.param({18: 5}, 18, id="five tell"),
        pytest.param({18: 2, 9: 3}, 9, id="the most of them"),
        pytest.param({18: 3, 11: 3}, 11, id="of equal ones the first"),
        pytest.param({23: 40, 3: 40}, None, id="at night nobody is written to"),
        pytest.param({23: 40, 20: 5}, 20, id="the last hour that counts"),
        pytest.param({8: 40, 21: 40, 12: 4}, None, id="outside the contact hours"),
    ],
)
def test_best_hour(by_hour, expected):
    assert best_hour(by_hour) == expected


@pytest.mark.parametrize(
    ("urgency", "mergeable", "frequency", "expected"),
    [
        ("critical", False, "weekly", None),
        ("high", False, "weekly", None),
        ("normal", True, "at_once", None),
        ("normal", False, "weekly", None),
        ("normal", True, "daily", Slot(time(10), None, reasons.CLIENT_FREQUENCY)),
        ("normal", True, "weekly", Slot(time(10), 0, reasons.CLIENT_FREQUENCY)),
        ("low", True, "at_once", DAILY_SLOT),
        ("low", False, "weekly", DAILY_SLOT),
        ("low", True, "weekly", Slot(time(10), 0, reasons.CLIENT_FREQUENCY)),
    ],
)
def test_which_slot(urgency, mergeable, frequency, expected):
    found = slot_for(
        Urgency(urgency), mergeable=mergeable, frequency=Frequency(frequency), engagements_by_hour={}
    )
    assert found == expected


@pytest.mark.parametrize(
    ("frequency", "code"), [("at_once", reasons.BEST_HOUR), ("daily", reasons.CLIENT_FREQUENCY)]
)
def test_the_slot_moves_to_the_best_hour(frequency, code):
    found = slot_for(Urgency.LOW, mergeable=True, frequency=Frequency(frequency), engagements_by_hour={17: 5})
    assert found == Slot(time(17), None, code)


def test_one_digest_has_one_channel_one_purpose_and_one_local_day():
    at = datetime(2026, 11, 21, 21, 0, tzinfo=UTC)
    apia = ZoneInfo("Pacific/Apia")
    assert batch_key(Channel.EMAIL, Purpose.SERVICE, at, apia) == "email:service:2026-11-22"
