"""Guards: nothing that can be stored is without words in a story, and no nonsense stops one (UI-2)."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communications.choices import Cause, OutcomeClass, Status
from communications.connectors.smtp.replies import Stage, classify
from communications.rules.lifecycle import TABLE
from communications.rules.reasons import REASONS, Reason
from communications.rules.story import (
    StoryEvent,
    cause_label,
    code_words,
    tell,
)
from communications.rules.story.codes import FAMILIES, SUBJECTS
from communications.rules.story.events import TOLD_IN_ITS_OWN_WAY
from communications.rules.story.telling import TOLD_AS_STORED, WHY_CHANNEL, WHY_LATER
from communications.rules.story.words import (
    CANCELLED_ACTIONS,
    CAUSES,
    FAILED_ACTIONS,
    OUTCOMES,
    PROGRESS,
    REASON_CLAUSES,
)
from communications.tests.rules.stories import at, attempt, facts


def test_every_cause_has_words():
    assert set(CAUSES) == set(Cause)
    silent = {cause for cause, known in CAUSES.items() if known.sentence is None}
    assert silent == TOLD_IN_ITS_OWN_WAY
    assert all(known.label for known in CAUSES.values())


def test_every_reason_has_words():
    assert set(REASON_CLAUSES) == set(REASONS)
    assert WHY_CHANNEL | WHY_LATER | TOLD_AS_STORED | set(CANCELLED_ACTIONS) <= set(REASONS)


def test_every_outcome_has_words_and_something_that_helps():
    assert set(OUTCOMES) == set(FAILED_ACTIONS) == set(OutcomeClass)


def test_everything_that_evidence_shows_has_words():
    shown = {
        move.to
        for move in TABLE
        if move.causes & {Cause.RECEIPT, Cause.TRACKING, Cause.ANSWER, Cause.LATE_EVIDENCE}
    }
    assert shown <= set(PROGRESS)


@pytest.mark.parametrize("status", Status)
def test_every_status_says_what_is_next(status):
    assert tell(facts(status=status)).next.endswith(".")


@pytest.mark.parametrize("family", ["4", "5"])
def test_every_family_of_smtp_codes_has_words(family):
    assert code_words(f"{family}99") == FAMILIES[family]
    assert code_words(f"{family}50 {family}.0.0")
    for subject in range(1, 8):
        assert code_words(f"{family}99 {family}.{subject}.99") == SUBJECTS[str(subject)]


@given(code=st.integers(200, 599), text=st.text(max_size=20), stage=st.sampled_from(Stage))
def test_every_reply_has_an_outcome_with_words_and_a_code_with_words(code, text, stage):
    assert OUTCOMES[classify(code, text, stage)]
    assert code_words(str(code))


@pytest.mark.parametrize("code", ["", "SomethingNew", "OSError", "9", "550 5.300.300", "{client}", "é\0"])
def test_an_unknown_code_is_said_in_general_words(code):
    assert bool(code_words(code)) == bool(code)


_ANY_EVENT = st.builds(
    StoryEvent,
    at=st.integers(0, 20_000_000).map(lambda seconds: at("00:00") + timedelta(seconds=seconds)),
    to=st.sampled_from([*Status, "", "new_status"]),
    cause=st.sampled_from([*Cause, "new_cause"]),
    reason=st.sampled_from([*REASONS, "", "new_reason"]),
    code=st.sampled_from(["", "250 2.0.0", "451", "550 5.1.1", "TimeoutError", "{nonsense}"]),
    attempt=st.integers(0, 3),
)


@given(
    events=st.lists(_ANY_EVENT, max_size=6),
    status=st.sampled_from(Status),
    client_name=st.sampled_from(["", "Priya", "{client}", "<b>"]),
    codes=st.lists(st.sampled_from([*REASONS, "new_reason"]), max_size=4),
)
def test_whatever_is_stored_has_a_story(events, status, client_name, codes):
    story = tell(
        facts(
            *sorted(events, key=lambda event: event.at),
            status=status,
            client_name=client_name,
            reasons=tuple(Reason(code, "Told as stored.") for code in codes),
            attempts=(attempt(1, "09:00:03", OutcomeClass.TRANSIENT), attempt(2, "09:01:03", "")),
        )
    )
    for words_told in (*story.told, story.next):
        assert words_told.endswith((".", "yours)"))
        assert "  " not in words_told
        assert words_told[0] == words_told[0].upper()


def test_an_unknown_cause_keeps_its_name():
    assert cause_label("weather_turned") == "Weather turned"
