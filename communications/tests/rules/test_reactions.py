"""What reactions tell: whether a channel is ignored, and when a client reacts (STR-5)."""

from datetime import timedelta

import pytest

from communications.rules.engagement import Delivered, engaged, reactions_by_hour
from communications.tests.rules.deciding import EMAIL, KOLKATA, NOON, WHATSAPP

HOUR = timedelta(hours=1)


def arrived(hours_ago, reacted_after=None, channel=EMAIL, **values):
    at = NOON - hours_ago * HOUR
    reacted_at = None if reacted_after is None else at + reacted_after * HOUR
    return Delivered(channel, at, reacted_at, **values)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        pytest.param(arrived(80, 1), [True], id="a reaction"),
        pytest.param(arrived(80, 72), [True], id="the last hour that counts"),
        pytest.param(arrived(80, 72.1), [False], id="too late"),
        pytest.param(arrived(72), [False], id="none in 72 hours"),
        pytest.param(arrived(71.9), [], id="there is still time"),
        pytest.param(arrived(1, 0.5), [True], id="reacted already"),
        pytest.param(arrived(80, could_show=False), [], id="nothing could be seen"),
        pytest.param(arrived(80, 1, could_show=False), [True], id="something was seen all the same"),
    ],
)
def test_one_message(message, told):
    assert list(engaged([message], NOON).get(EMAIL, ())) == told


def test_each_channel_for_itself_and_the_newest_first():
    messages = [arrived(300), arrived(90, 1), arrived(200), arrived(100, 2, channel=WHATSAPP)]
    assert engaged(messages, NOON) == {EMAIL: (True, False, False), WHATSAPP: (True,)}


def test_reactions_count_in_the_hour_of_the_client():
    """NOON is 12:00 in Kolkata."""
    messages = [arrived(24, 0), arrived(48, 0.9), arrived(48, 5), arrived(30)]
    assert reactions_by_hour(messages, KOLKATA) == {12: 2, 17: 1}
