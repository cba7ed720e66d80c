"""A plan's stages: what a new request does to them, and what they do to it (engine.md §Idempotency). Pure.

Asked at acceptance only: what has been accepted goes out whatever stage the plan reaches later, unless it is
replaced or its question is closed.
"""

from dataclasses import dataclass
from typing import Final

from communications.choices import Cause, MessageType
from communications.rules.message_types import MESSAGE_TYPES, Answer

SELECTION_STAGE: Final = 4
"""A plan for which the client has selected has reached this stage, whoever told."""

QUESTIONS: Final = frozenset(
    rule.name for rule in MESSAGE_TYPES.values() if rule.staged and rule.answer is Answer.SELECTION
)


@dataclass(frozen=True)
class StageFacts:
    """`stage`: the highest that the plan has reached, 0 for a new one. `had`: whether it has had a message of this
    type. `holds_selection`: the request tells of a selection. `supersede`: planning starts again from this type."""

    stage: int
    message_type: MessageType
    had: bool = False
    holds_selection: bool = False
    supersede: bool = False


@dataclass(frozen=True)
class StageStep:
    """`stage`: the plan's from now on. `passed`: the request came too late and is not sent. `stopped`: the types of
    which nothing that is still unsent goes out, each with why."""

    stage: int
    passed: bool
    stopped: dict[MessageType, Cause]


def told_stage(stage: int, *, holds_selection: bool) -> int:
    """The stage that a plan has reached once it is known what a request tells of it, whether that is sent or not."""
    return max(stage, SELECTION_STAGE) if holds_selection else stage


def take_step(facts: StageFacts) -> StageStep:
    """What a new request, one that repeats no other, does.

    The type of an earlier stage is passed if the plan has had it; one that it never had is late, and goes. The
    current stage's type replaces its earlier content, a later one moves the plan on, which closes open questions.
    """
    own = MESSAGE_TYPES[facts.message_type].stage
    if own is not None and facts.supersede:
        replaced = dict.fromkeys(_types_from(own), Cause.REPLACED)
        return StageStep(own, passed=False, stopped=closed_questions(facts.stage, own) | replaced)
    told = told_stage(facts.stage, holds_selection=facts.holds_selection)
    if own is not None and own < told and facts.had:
        return StageStep(told, passed=True, stopped=closed_questions(facts.stage, told))
    stage = max(told, own or 0)
    stopped = closed_questions(facts.stage, stage)
    if own is not None and own == stage:
        stopped[facts.message_type] = Cause.REPLACED
    return StageStep(stage, passed=False, stopped=stopped)


def closed_questions(before: int, after: int) -> dict[MessageType, Cause]:
    """The questions that a plan leaves behind when it goes from one stage to a later one."""
    if after <= before:
        return {}
    return {name: Cause.QUESTION_CLOSED for name in QUESTIONS if is_closed(name, stage=after)}


def is_closed(message_type: MessageType, *, stage: int) -> bool:
    """Whether it asks what a plan of this stage has behind it."""
    return message_type in QUESTIONS and (MESSAGE_TYPES[message_type].stage or 0) < stage


def _types_from(stage: int) -> list[MessageType]:
    return [rule.name for rule in MESSAGE_TYPES.values() if rule.stage is not None and rule.stage >= stage]
