from datetime import UTC, datetime, timedelta

import pytest

from core.alert_rules import AT_MOST_EVERY, AlertFacts, AlertWords, is_due

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


def minutes_ago(minutes):
    return NOW - timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("facts", "due"),
    [
        pytest.param(AlertFacts(0), False, id="nothing to tell"),
        pytest.param(AlertFacts(1), True, id="the first ever"),
        pytest.param(AlertFacts(1, sent_at=minutes_ago(14)), False, id="told lately"),
        pytest.param(AlertFacts(9, sent_at=minutes_ago(15)), True, id="told long ago"),
        pytest.param(AlertFacts(0, sent_at=minutes_ago(99)), False, id="nothing new"),
        pytest.param(AlertFacts(1, failed_at=NOW, failures=1), False, id="just failed"),
        pytest.param(AlertFacts(1, failed_at=minutes_ago(1), failures=1), True, id="after one minute"),
        pytest.param(AlertFacts(1, failed_at=minutes_ago(4), failures=2), False, id="not yet five"),
        pytest.param(AlertFacts(1, failed_at=minutes_ago(5), failures=2), True, id="after five"),
        pytest.param(AlertFacts(1, failed_at=minutes_ago(14), failures=9), False, id="then every fifteen"),
        pytest.param(AlertFacts(1, failed_at=minutes_ago(15), failures=9), True, id="and for as long"),
        pytest.param(
            AlertFacts(1, minutes_ago(2), minutes_ago(1), 1), True, id="a retry waits for itself only"
        ),
    ],
)
def test_when_administrators_are_told(facts, due):
    assert is_due(facts, NOW) is due


def test_at_most_one_of_a_kind_in_fifteen_minutes():
    told, sent_at = 0, None
    for minute in range(60):
        now = NOW + timedelta(minutes=minute)
        if is_due(AlertFacts(1, sent_at=sent_at), now):
            told, sent_at = told + 1, now
    assert told == timedelta(hours=1) / AT_MOST_EVERY


def test_the_number_is_told():
    words = AlertWords("One thing.", "{count} things.")
    assert (words.say(1), words.say(12)) == ("One thing.", "12 things.")
