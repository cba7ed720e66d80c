"""Which channels go out, who is primary, what stands by, and why (ORC-1, STR-1, STR-2, STR-6)."""

import json
from dataclasses import asdict
from datetime import UTC, date, datetime, time
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from communications.choices import Cause, ContentType, MessageType, Role, Urgency
from communications.rules.channels import fallback_order, rank_channels
from communications.rules.facts import ChannelFacts, Facts, PreferenceFacts
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.reasons import REASONS
from communications.rules.strategy import decide
from communications.tests.rules.deciding import (
    EMAIL,
    EVENING,
    KOLKATA,
    NOON,
    NOT_SET_UP,
    OPEN,
    SMS,
    WHATSAPP,
    codes,
    facts,
    going,
)
from core.choices import Channel
from preferences.rules.windows import Window


@pytest.mark.parametrize(
    ("name", "chosen", "expected"),
    [
        pytest.param("welcome", None, [EMAIL], id="welcome"),
        pytest.param("budget_summary", None, [EMAIL], id="budget"),
        pytest.param(
            "vendor_options", None, [EMAIL, WHATSAPP, SMS], id="vendors, never chose (MSG-2, MSG-3)"
        ),
        pytest.param("vendor_options", (EMAIL,), [EMAIL], id="vendors, chose e-mail only"),
        pytest.param("vendor_options", (EMAIL, SMS), [EMAIL, SMS], id="vendors, chose e-mail and SMS"),
        pytest.param("vendor_options", (SMS, WHATSAPP), [WHATSAPP, SMS], id="vendors, high: WhatsApp first"),
        pytest.param("selection_confirmation", None, [EMAIL], id="confirmation, never chose SMS"),
        pytest.param("selection_confirmation", (SMS, EMAIL), [EMAIL, SMS], id="confirmation, chose SMS"),
        pytest.param("blueprint_delivery", None, [EMAIL, WHATSAPP], id="blueprint (MSG-2)"),
        pytest.param("error_notification", None, [SMS, EMAIL], id="error (MSG-1)"),
        pytest.param(
            "error_notification", (EMAIL,), [SMS, EMAIL], id="error, critical uses any open channel"
        ),
        pytest.param("reminder", None, [EMAIL], id="reminder"),
        pytest.param("timeline_update", None, [EMAIL], id="by rank, never chose"),
        pytest.param("timeline_update", (WHATSAPP, EMAIL), [WHATSAPP], id="by rank, the client's order"),
        pytest.param("task_update", (SMS,), [SMS], id="by rank, only SMS"),
        pytest.param("welcome", (SMS,), [SMS], id="the table's channel is not chosen: the client's goes out"),
    ],
)
def test_which_channels_go_out(name, chosen, expected):
    assert going(decide(facts(name, chosen=chosen))) == expected


@pytest.mark.parametrize(
    ("name", "urgency", "chosen", "preferred", "expected", "code"),
    [
        ("custom", "normal", None, None, [EMAIL, WHATSAPP, SMS], "usual_channel"),
        ("custom", "normal", (SMS, EMAIL), None, [SMS, EMAIL, WHATSAPP], "client_order"),
        ("custom", "high", (SMS, WHATSAPP), None, [WHATSAPP, SMS, EMAIL], "whatsapp_first"),
        ("custom", "high", (SMS,), None, [SMS, EMAIL, WHATSAPP], "client_order"),
        ("custom", "critical", None, None, [SMS, WHATSAPP, EMAIL], "critical_order"),
        ("custom", "critical", (EMAIL,), None, [SMS, WHATSAPP, EMAIL], "critical_order"),
        ("custom", "critical", (WHATSAPP,), None, [WHATSAPP, SMS, EMAIL], "whatsapp_first"),
        ("custom", "critical", None, EMAIL, [EMAIL, SMS, WHATSAPP], "preferred_channel"),
        ("custom", "low", (SMS, EMAIL), WHATSAPP, [WHATSAPP, SMS, EMAIL], "preferred_channel"),
        ("welcome", "normal", (SMS, WHATSAPP), None, [EMAIL, SMS, WHATSAPP], "detailed_email_first"),
        ("error_notification", "normal", None, None, [SMS, EMAIL, WHATSAPP], "usual_channel"),
    ],
)
def test_rank(name, urgency, chosen, preferred, expected, code):
    """STR-2: WhatsApp for urgent and preferred, e-mail for detail, SMS for critical alerts."""
    ranked = rank_channels(facts(name, urgency=Urgency(urgency), chosen=chosen, preferred_channel=preferred))
    assert [item.channel for item in ranked] == expected
    assert ranked[0].code.code == code


@pytest.mark.parametrize(
    ("known", "code"),
    [
        (ChannelFacts(False, True, True), "no_contact_point"),
        (ChannelFacts(True, False, True), "no_consent"),
        (ChannelFacts(True, False, True, suppressed=True), "suppressed"),
        (ChannelFacts(True, True, True, undeliverable=True), "undeliverable"),
        (ChannelFacts(True, True, False), "not_configured"),
        (ChannelFacts(True, True, True, carries_content=False), "cannot_carry"),
        (ChannelFacts(False, False, False), "no_contact_point"),
        (ChannelFacts(True, False, False), "no_consent"),
    ],
)
@pytest.mark.parametrize("urgency", [Urgency.NORMAL, Urgency.CRITICAL])
def test_a_closed_channel_is_left_out_with_its_reason(known, code, urgency):
    """PRF-3: an opt-out is absolute on its channel, critical or not."""
    strategy = decide(facts("custom", urgency=urgency, channels={EMAIL: known, SMS: OPEN}))
    assert going(strategy) == [SMS]
    if urgency is Urgency.NORMAL:
        assert code in codes(strategy)


def test_only_email_is_set_up():
    channels = {EMAIL: OPEN, SMS: NOT_SET_UP, WHATSAPP: NOT_SET_UP}
    strategy = decide(facts("vendor_options", channels=channels))
    assert going(strategy) == [EMAIL]
    assert codes(strategy) == ["detailed_email_first", "not_configured", "not_configured"]
    assert [reason.text for reason in strategy.reasons[1:]] == [
        "WhatsApp is left out: it is not set up here.",
        "SMS is left out: it is not set up here.",
    ]


@pytest.mark.parametrize(
    ("open_channels", "code"), [((SMS,), "only_open_channel"), ((SMS, WHATSAPP), "other_channel")]
)
def test_another_channel_takes_the_place_of_the_tables(open_channels, code):
    strategy = decide(facts("welcome", open_channels=open_channels))
    assert strategy.deliveries[0].role is Role.PRIMARY
    assert strategy.deliveries[0].content_type is ContentType.SHORT
    assert codes(strategy)[0] == code


def test_nothing_is_sent_when_no_channel_is_open():
    strategy = decide(facts("welcome", channels={EMAIL: ChannelFacts(True, False, True)}))
    assert (strategy.send, strategy.deliveries, strategy.fallbacks) == (False, (), ())
    assert strategy.refused is Cause.NO_OPEN_CHANNEL
    assert codes(strategy)[:2] == ["no_open_channel", "no_consent"]


def test_chosen_channels_are_the_only_ones_used():
    strategy = decide(facts("welcome", chosen=(WHATSAPP,), open_channels=(EMAIL, SMS)))
    assert not strategy.send
    assert "not_chosen" in codes(strategy)


def test_critical_says_that_it_uses_what_was_not_chosen():
    strategy = decide(facts("error_notification", chosen=(EMAIL,)))
    assert "critical_any_channel" in codes(strategy)
    assert len(strategy.deliveries) == 2
    assert codes(strategy).count("critical_now") == 1


def test_preferred_channel_of_a_type_with_fixed_channels_stands_by():
    strategy = decide(facts("welcome", preferred_channel=SMS))
    assert going(strategy) == [EMAIL]
    assert strategy.fallbacks[0] is SMS
    assert "preferred_not_used" in codes(strategy)


def test_preferred_channel_that_is_closed_says_why():
    strategy = decide(facts("custom", preferred_channel=WHATSAPP, open_channels=(EMAIL,)))
    assert going(strategy) == [EMAIL]
    assert codes(strategy) == ["usual_channel", "not_configured"]


@pytest.mark.parametrize(
    ("name", "chosen", "fallbacks"),
    [
        ("welcome", None, [WHATSAPP, SMS]),
        ("welcome", (EMAIL, SMS), [SMS]),
        ("welcome", (SMS, WHATSAPP, EMAIL), [SMS, WHATSAPP]),
        ("vendor_options", None, []),
        ("task_update", (SMS, WHATSAPP, EMAIL), [EMAIL, WHATSAPP]),
        ("error_notification", None, [WHATSAPP]),
    ],
)
def test_fallbacks_are_what_no_sibling_uses(name, chosen, fallbacks):
    assert list(decide(facts(name, chosen=chosen)).fallbacks) == fallbacks


@pytest.mark.parametrize(
    ("failed", "urgency", "expected"),
    [
        (SMS, "normal", [EMAIL, WHATSAPP]),
        (WHATSAPP, "high", [EMAIL, SMS]),
        (SMS, "critical", [WHATSAPP, EMAIL]),
        (WHATSAPP, "critical", [SMS, EMAIL]),
        (EMAIL, "normal", [WHATSAPP, SMS]),
        (EMAIL, "critical", [WHATSAPP, SMS]),
    ],
)
def test_fallback_order(failed, urgency, expected):
    """REL-2: a messaging channel falls back to e-mail; critical to the other messaging channel first."""
    ranked = (WHATSAPP, EMAIL, SMS)
    assert list(fallback_order(ranked, failed=failed, urgency=Urgency(urgency))) == expected


def test_every_channel_has_its_own_time():
    """SMS goes to 21:00 only; the e-mail of the same request still goes at 21:30."""
    strategy = decide(facts("vendor_options", now=EVENING))
    at = {delivery.channel: delivery.send_at.astimezone(KOLKATA) for delivery in strategy.deliveries}
    assert at[EMAIL] == EVENING
    assert (at[SMS].day, at[SMS].time()) == (22, time(8))
    assert "sms_hours" in codes(strategy)


def test_a_channel_that_cannot_meet_the_deadline_is_left_out():
    strategy = decide(
        facts("vendor_options", now=EVENING, deliver_by=datetime(2026, 11, 21, 16, 20, tzinfo=UTC))
    )
    assert going(strategy) == [EMAIL, WHATSAPP]
    assert "cannot_meet_deadline" in codes(strategy)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"deliver_by": NOON}, "cannot_meet_deadline"),
        ({"event_date": date(2026, 11, 20)}, "event_passed"),
        ({"preferences": PreferenceFacts(pause_until=datetime(2027, 11, 21, tzinfo=UTC))}, "expired"),
    ],
)
def test_nothing_is_sent_when_none_can_be_in_time(values, code):
    strategy = decide(facts("welcome", **values))
    assert strategy.refused is Cause.DEADLINE_UNREACHABLE
    assert code in codes(strategy)


def test_expiry_starts_at_send_at_and_ends_with_the_event():
    later = datetime(2027, 1, 10, 6, 30, tzinfo=UTC)
    assert decide(facts("welcome", send_at=later)).expires_at == datetime(2027, 1, 17, 6, 30, tzinfo=UTC)
    bounded = facts("welcome", event_date=date(2026, 11, 24))
    assert decide(bounded).expires_at == datetime(2026, 11, 24, 18, 30, tzinfo=UTC)


def test_an_erased_client_is_not_written_to():
    strategy = decide(facts("custom", urgency=Urgency.CRITICAL, client_erased=True))
    assert (strategy.send, strategy.refused, codes(strategy)) == (False, Cause.ERASED, ["erased"])


def test_a_deadline_that_is_over_says_what_to_do():
    strategy = decide(facts("welcome", deliver_by=NOON))
    assert codes(strategy)[-1] == "deadline_passed"
    assert strategy.reasons[-1].text == (
        "Give a deliver_by that lies ahead, or leave it out: 12:00 Asia/Kolkata was over already."
    )


@pytest.mark.parametrize(("urgency", "told"), [(Urgency.NORMAL, True), (Urgency.CRITICAL, False)])
def test_a_timezone_that_stands_in_is_said(urgency, told):
    strategy = decide(facts("custom", urgency=urgency, zone_defaulted=True))
    assert ("default_timezone" in codes(strategy)) is told


@pytest.mark.parametrize("name", list(MessageType))
def test_what_is_stored_is_the_whole_decision(name):
    for urgency, chosen, now in product(Urgency, (None, (EMAIL,), (WHATSAPP, SMS)), (NOON, EVENING)):
        strategy = decide(facts(name, urgency=urgency, chosen=chosen, now=now))
        stored = json.loads(json.dumps(strategy.as_json()))
        assert [
            {
                **item,
                "send_at": datetime.fromisoformat(item["send_at"]),
                "send_before": datetime.fromisoformat(item["send_before"]),
            }
            for item in stored.pop("deliveries")
        ] == [asdict(delivery) for delivery in strategy.deliveries]
        assert datetime.fromisoformat(stored.pop("expires_at")) == strategy.expires_at
        assert stored == {
            "send": strategy.send,
            "fallbacks": list(strategy.fallbacks),
            "batch_key": None,
            "reasons": [asdict(reason) for reason in strategy.reasons],
            "refused": strategy.refused,
        }


channel_facts = st.builds(
    ChannelFacts, st.booleans(), st.booleans(), st.booleans(), undeliverable=st.booleans()
)
any_facts = st.builds(
    Facts,
    rule=st.sampled_from(list(MESSAGE_TYPES.values())),
    urgency=st.sampled_from(Urgency),
    now=st.integers(0, 10**8).map(lambda n: datetime.fromtimestamp(1_800_000_000 + n, UTC)),
    zone=st.sampled_from(["Asia/Kolkata", "Europe/Rome", "Pacific/Apia"]).map(ZoneInfo),
    channels=st.dictionaries(st.sampled_from(Channel), channel_facts),
    preferences=st.builds(
        PreferenceFacts,
        channels=st.none() | st.lists(st.sampled_from(Channel), unique=True, min_size=1).map(tuple),
        quiet_hours=st.none() | st.just(Window(time(20), time(9, 30))),
    ),
    preferred_channel=st.none() | st.sampled_from(Channel),
)


@settings(max_examples=400, deadline=None)
@given(any_facts)
def test_never_on_a_closed_channel_and_always_with_a_reason(given_facts):
    strategy = decide(given_facts)
    used = [*going(strategy), *strategy.fallbacks]
    assert len(set(used)) == len(used)
    for channel in used:
        known = given_facts.channels[channel]
        assert known.has_contact_point
        assert known.consent_allowed
        assert known.configured
        assert not known.undeliverable
        chosen = given_facts.preferences.channels
        assert chosen is None or channel in chosen or given_facts.urgency is Urgency.CRITICAL
    assert strategy.send is (strategy.refused is None)
    assert strategy.reasons
    assert len(set(strategy.reasons)) == len(strategy.reasons)
    assert set(codes(strategy)) <= set(REASONS)
    assert [delivery.role for delivery in strategy.deliveries[:1]] in ([], [Role.PRIMARY])
    assert all(delivery.role is Role.COMPANION for delivery in strategy.deliveries[1:])
    for delivery in strategy.deliveries:
        assert given_facts.now <= delivery.send_at < delivery.send_before <= strategy.expires_at
