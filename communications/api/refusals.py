from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from communications.choices import MessageType
from communications.rules.references import plan_reference_problem
from core import attention
from core.errors import FieldProblem

_UNKNOWN = "unknown"
# Codes of problems with a field whose name the caller made up.
_NAMED_BY_CALLER = frozenset({"unknown_field", "repeated"})


def note_refusal(*, problems: Sequence[FieldProblem], body: Any, now: datetime) -> None:
    """An item for staff: a program asked for a message that cannot be sent (engine.md §Rendering).

    Names plan, type and codes only. Field names that the caller made up stay out: they may be anything.
    """
    given = body if isinstance(body, Mapping) else {}
    plan, message_type = given.get("plan_id"), given.get("message_type")
    sound_plan = isinstance(plan, str) and plan_reference_problem(plan) is None
    plan_reference = str(plan) if sound_plan else _UNKNOWN
    is_type = isinstance(message_type, str) and message_type in set(MessageType)
    known_type = message_type if is_type else _UNKNOWN
    codes = sorted({_code(problem) for problem in problems})
    attention.raise_item(
        kind="request_refused",
        dedupe_key=f"{plan_reference}:{known_type}:{','.join(codes)}",
        target=f"plan:{plan_reference}",
        details={"message_type": known_type, "codes": codes},
        now=now,
    )


def _code(problem: FieldProblem) -> str:
    return problem.code if problem.code in _NAMED_BY_CALLER else f"{problem.field}:{problem.code}"
