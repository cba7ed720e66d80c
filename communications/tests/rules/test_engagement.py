"""A channel that the client ignores goes down one place (STR-5)."""

from dataclasses import replace

import pytest

from communications.choices import Urgency
from communications.rules.strategy import decide
from communications.tests.rules.deciding import EMAIL, OPEN, SMS, WHATSAPP, codes, facts, going
from core.choices import Channel


def engaged(**by_channel):
    """Open channels, each with what the client did with its last messages: `-` nothing, `+` a reaction."""
    return {
        Channel(name): replace(OPEN, engaged=tuple(mark == "+" for mark in marks))
        for name, marks in by_channel.items()
    }


@pytest.mark.parametrize(
    ("name", "urgency", "channels", "preferred", "expected", "told"),
    [
        pytest.param(
            "custom",
            "normal",
            engaged(email="---", whatsapp="+--", sms=""),
            None,
            ([WHATSAPP], [EMAIL, SMS]),
            ["more_engagement", "low_engagement"],
            id="another did better",
        ),
        pytest.param(
            "custom",
            "normal",
            engaged(email="---", whatsapp=""),
            None,
            ([WHATSAPP], [EMAIL]),
            ["more_engagement", "low_engagement"],
            id="another is untried",
        ),
        pytest.param(
            "custom",
            "normal",
            engaged(email="---", whatsapp="--", sms="---"),
            None,
            ([EMAIL], [WHATSAPP, SMS]),
            ["usual_channel"],
            id="none did better",
        ),
        pytest.param(
            "custom",
            "normal",
            engaged(email="--", whatsapp="+++"),
            None,
            ([EMAIL], [WHATSAPP]),
            ["usual_channel"],
            id="two are too few",
        ),
        pytest.param(
            "custom",
            "normal",
            engaged(email="---+", whatsapp="+"),
            None,
            ([WHATSAPP], [EMAIL]),
            ["more_engagement", "low_engagement"],
            id="only the last three count",
        ),
        pytest.param(
            "custom",
            "normal",
            engaged(email="---", whatsapp="---", sms="+"),
            None,
            ([SMS], [EMAIL, WHATSAPP]),
            ["more_engagement", "low_engagement", "low_engagement"],
            id="one place, however many are ignored",
        ),
        pytest.param(
            "custom",
            "critical",
            engaged(sms="---", email="+++"),
            None,
            ([SMS], [EMAIL]),
            ["critical_order", "critical_now"],
            id="never for critical",
        ),
        pytest.param(
            "custom",
            "normal",
            engaged(email="---", whatsapp="+++"),
            EMAIL,
            ([EMAIL], [WHATSAPP]),
            ["preferred_channel"],
            id="what the caller asked for goes first",
        ),
        pytest.param(
            "welcome",
            "normal",
            engaged(email="---", whatsapp="+++"),
            None,
            ([EMAIL], [WHATSAPP]),
            ["detailed_email_first"],
            id="the table's channel goes out all the same",
        ),
        pytest.param(
            "vendor_options",
            "high",
            engaged(email="---", whatsapp="+++"),
            None,
            ([WHATSAPP, EMAIL], []),
            ["more_engagement", "not_configured", "low_engagement"],
            id="a companion becomes the primary",
        ),
        pytest.param(
            "welcome",
            "normal",
            engaged(email="+", whatsapp="---", sms="+"),
            None,
            ([EMAIL], [SMS, WHATSAPP]),
            ["detailed_email_first", "low_engagement"],
            id="the order of fallbacks",
        ),
    ],
)
def test_a_channel_that_the_client_ignores_goes_down_one_place(
    name, urgency, channels, preferred, expected, told
):
    """STR-5."""
    strategy = decide(facts(name, urgency=Urgency(urgency), channels=channels, preferred_channel=preferred))
    assert (going(strategy), list(strategy.fallbacks)) == expected
    assert codes(strategy) == told


def test_engagement_says_which_channel_goes_first_and_why():
    strategy = decide(facts("custom", channels=engaged(email="---", whatsapp="+")))
    assert [reason.text for reason in strategy.reasons] == [
        "WhatsApp goes first: the client did not react to the last messages on the channel before it.",
        "E-mail moves down one place: the client did not react to the last 3 messages there.",
    ]
