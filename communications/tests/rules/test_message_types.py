"""The table of message types against engine.md, written out by hand."""

from datetime import timedelta

import pytest

from communications.choices import ContentType, MessageType, Role, Urgency
from communications.rules.message_types import (
    MESSAGE_TYPES,
    PRIORITIES,
    GoesOut,
    priority_of,
)
from core.choices import Channel, Purpose

# type: content, stage, urgency, channels, answer, capped, mergeable
EXPECTED = {
    "welcome": ("detailed", 1, "normal", ["email"], "no", True, False),
    "budget_summary": ("detailed", 2, "normal", ["email"], "by_caller", True, False),
    "vendor_options": ("detailed", 3, "high", ["email", "whatsapp", "sms"], "selection", True, False),
    "selection_confirmation": ("detailed", 4, "normal", ["email", "sms"], "no", False, False),
    "blueprint_delivery": ("detailed", 5, "high", ["email", "whatsapp"], "no", False, False),
    "error_notification": ("alert", None, "critical", ["sms", "email"], "no", False, False),
    "reminder": ("short", None, "normal", ["email"], "as_reminded", True, False),
    "timeline_update": ("short", None, "low", [], "no", True, True),
    "task_update": ("short", None, "low", [], "no", True, True),
    "custom": ("short", None, "normal", [], "by_caller", True, True),
    "digest": ("short", None, "low", [], "no", True, False),
}


@pytest.mark.parametrize("name", list(MessageType))
def test_the_table(name):
    rule = MESSAGE_TYPES[name]
    assert (
        rule.content_type,
        rule.stage,
        rule.urgency,
        [channel.channel for channel in rule.channels],
        rule.answer,
        rule.capped,
        rule.mergeable,
    ) == EXPECTED[name]


@pytest.mark.parametrize("rule", MESSAGE_TYPES.values(), ids=MESSAGE_TYPES.keys())
def test_every_row_is_complete(rule):
    assert rule.label
    assert rule.description.endswith(".")
    assert rule.purpose is Purpose.SERVICE
    assert [channel.role for channel in rule.channels[:1]] in ([], [Role.PRIMARY])
    assert all(channel.role is Role.COMPANION for channel in rule.channels[1:])
    assert rule.expires_after == timedelta(hours=6 if rule.name == "error_notification" else 24 * 7)
    assert rule.staged is (rule.stage is not None)


def test_labels_and_stages_are_unique():
    assert len({rule.label for rule in MESSAGE_TYPES.values()}) == len(MESSAGE_TYPES)
    assert sorted(rule.stage for rule in MESSAGE_TYPES.values() if rule.stage) == [1, 2, 3, 4, 5]


def test_sms_confirms_a_selection_only_if_the_client_chose_sms():
    by_channel = {rule.channel: rule for rule in MESSAGE_TYPES[MessageType.SELECTION_CONFIRMATION].channels}
    assert by_channel[Channel.SMS].goes_out is GoesOut.IF_CHOSEN
    assert by_channel[Channel.EMAIL].goes_out is GoesOut.ALWAYS


@pytest.mark.parametrize(
    ("name", "channel", "content"),
    [
        ("welcome", Channel.EMAIL, ContentType.DETAILED),
        ("welcome", Channel.SMS, ContentType.SHORT),
        ("vendor_options", Channel.WHATSAPP, ContentType.SHORT),
        ("error_notification", Channel.SMS, ContentType.ALERT),
        ("error_notification", Channel.EMAIL, ContentType.DETAILED),
        ("error_notification", Channel.WHATSAPP, ContentType.ALERT),
        ("task_update", Channel.EMAIL, ContentType.SHORT),
    ],
)
def test_content_on_a_channel(name, channel, content):
    assert MESSAGE_TYPES[MessageType(name)].content_on(channel) is content


def test_priorities():
    assert [priority_of(urgency) for urgency in Urgency] == [1, 3, 5, 7] == list(PRIORITIES)
