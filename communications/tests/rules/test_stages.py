"""What a plan's stage does to a new request, and the request to the stage (engine.md §Idempotency)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communications.choices import Cause, MessageType
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.stages import (
    SELECTION_STAGE,
    StageFacts,
    closed_questions,
    take_step,
    told_stage,
)

WELCOME, BUDGET, VENDORS, SELECTION, BLUEPRINT, CUSTOM = (
    MessageType.WELCOME,
    MessageType.BUDGET_SUMMARY,
    MessageType.VENDOR_OPTIONS,
    MessageType.SELECTION_CONFIRMATION,
    MessageType.BLUEPRINT_DELIVERY,
    MessageType.CUSTOM,
)
CLOSED = {VENDORS: Cause.QUESTION_CLOSED}


@pytest.mark.parametrize(
    ("facts", "stage", "passed", "stopped"),
    [
        pytest.param(StageFacts(0, WELCOME), 1, False, {WELCOME: Cause.REPLACED}, id="the first message"),
        pytest.param(StageFacts(1, BUDGET), 2, False, {BUDGET: Cause.REPLACED}, id="the next stage"),
        pytest.param(StageFacts(0, VENDORS), 3, False, {VENDORS: Cause.REPLACED}, id="stages left out"),
        pytest.param(
            StageFacts(3, VENDORS, had=True), 3, False, {VENDORS: Cause.REPLACED}, id="new content replaces"
        ),
        pytest.param(
            StageFacts(3, SELECTION), 4, False, {SELECTION: Cause.REPLACED, **CLOSED}, id="closes a question"
        ),
        pytest.param(StageFacts(3, WELCOME, had=True), 3, True, {}, id="passed"),
        pytest.param(StageFacts(3, WELCOME), 3, False, {}, id="late, and never had: goes"),
        pytest.param(StageFacts(4, VENDORS, had=True), 4, True, {}, id="other options after the selection"),
        pytest.param(StageFacts(4, VENDORS), 4, False, {}, id="late options"),
        pytest.param(StageFacts(2, CUSTOM, had=True), 2, False, {}, id="no stage, no matter"),
        pytest.param(
            StageFacts(3, CUSTOM, holds_selection=True), 4, False, CLOSED, id="a selection told in passing"
        ),
        pytest.param(
            StageFacts(3, VENDORS, had=True, holds_selection=True),
            4,
            True,
            CLOSED,
            id="selected, and asked anew",
        ),
        pytest.param(
            StageFacts(5, WELCOME, holds_selection=True, had=True),
            5,
            True,
            {},
            id="a selection sets nothing back",
        ),
        pytest.param(
            StageFacts(4, VENDORS, had=True, supersede=True),
            3,
            False,
            dict.fromkeys((VENDORS, SELECTION, BLUEPRINT), Cause.REPLACED),
            id="planning starts again",
        ),
        pytest.param(
            StageFacts(4, VENDORS, had=True, supersede=True, holds_selection=True),
            3,
            False,
            dict.fromkeys((VENDORS, SELECTION, BLUEPRINT), Cause.REPLACED),
            id="the selection of before does not count",
        ),
        pytest.param(
            StageFacts(3, BLUEPRINT, supersede=True),
            5,
            False,
            {BLUEPRINT: Cause.REPLACED, **CLOSED},
            id="ahead",
        ),
    ],
)
def test_steps(facts, stage, passed, stopped):
    step = take_step(facts)
    assert (step.stage, step.passed, step.stopped) == (stage, passed, stopped)


@given(
    stage=st.integers(0, 5),
    message_type=st.sampled_from(MessageType),
    had=st.booleans(),
    holds_selection=st.booleans(),
)
def test_without_supersede_a_stage_only_rises_and_nothing_is_passed_that_was_not_had(
    stage, message_type, had, holds_selection
):
    step = take_step(StageFacts(stage, message_type, had=had, holds_selection=holds_selection))
    own = MESSAGE_TYPES[message_type].stage
    assert step.stage == max(stage, own or 0, SELECTION_STAGE if holds_selection else 0)
    assert step.passed is (had and own is not None and own < step.stage)
    again = take_step(StageFacts(step.stage, message_type, had=had, holds_selection=holds_selection))
    assert again.stage == step.stage
    assert not step.passed or again.passed


@given(stage=st.integers(0, 5), holds_selection=st.booleans())
def test_being_told_twice_of_a_selection_closes_its_question_once(stage, holds_selection):
    told = told_stage(stage, holds_selection=holds_selection)
    assert closed_questions(told, told_stage(told, holds_selection=holds_selection)) == {}


@given(
    stage=st.integers(0, 5),
    message_type=st.sampled_from([each for each in MessageType if MESSAGE_TYPES[each].staged]),
)
def test_supersede_sets_the_stage_and_is_never_passed(stage, message_type):
    step = take_step(StageFacts(stage, message_type, had=True, supersede=True))
    assert (step.stage, step.passed) == (MESSAGE_TYPES[message_type].stage, False)
    assert message_type in step.stopped
