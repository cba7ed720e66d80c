from datetime import UTC, datetime
from string import Formatter
from zoneinfo import ZoneInfo

import pytest

from communications.rules import reasons
from communications.rules.reasons import CATALOGUE, REASONS, ReasonCode, clock_text

CODES = [value for value in vars(reasons).values() if isinstance(value, ReasonCode)]
ALLOWED_VALUES = {"channel", "until", "wait", "zone", "label", "count", "window"}


def test_the_catalogue_holds_every_code_once():
    assert {code.code: code.description for code in CODES} == dict(REASONS)
    assert list(CATALOGUE) == CODES
    assert len(CODES) == len(REASONS)


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.code)
def test_a_reason_is_one_plain_sentence_without_personal_data(code):
    names = {name for _, name, _, _ in Formatter().parse(code.sentence) if name}
    assert names <= ALLOWED_VALUES
    text = code.because(**dict.fromkeys(names, "e-mail")).text
    assert text.endswith(".")
    assert text[0].isupper()
    assert "{" not in text
    assert code.description.endswith(".")


def test_because_fills_in_and_begins_with_a_capital():
    reason = reasons.NOT_CONFIGURED.because(channel="e-mail")
    assert (reason.code, reason.text) == ("not_configured", "E-mail is left out: it is not set up here.")


@pytest.mark.parametrize(
    ("hours", "expected"),
    [(3, "08:00 Asia/Kolkata"), (27, "08:00 on 22 November 2026, Asia/Kolkata")],
)
def test_clock_text(hours, expected):
    at = datetime(2026, 11, 22 if hours > 24 else 21, 2, 30, tzinfo=UTC)
    now = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    assert clock_text(at, ZoneInfo("Asia/Kolkata"), now) == expected
