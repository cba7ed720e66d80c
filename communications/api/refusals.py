from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clients.references import plan_reference_problem
from communications.choices import AttentionKind, MessageType
from core import attention
from core.errors import FieldProblem

_UNKNOWN = "unknown"
# Codes of problems with a field whose name the caller made up.
_NAMED_BY_CALLER = frozenset({"unknown_field", "repeated"})


@dataclass(frozen=True)
class Refused:
    """A request that was refused: what was wrong with it, and the body as it came."""

    problems: Sequence[FieldProblem]
    body: Any


def note_refusals(refused: Iterable[Refused], *, now: datetime) -> None:
    """An item for staff: a program asked for messages that cannot be sent (engine.md §Rendering). One for each plan,
    type and set of codes, however often it was asked for.

    Names plan, type and codes only. Field names that the caller made up stay out: they may be anything.
    """
    attention.raise_items([_item(each) for each in refused], now=now)


def _item(refused: Refused) -> attention.Item:
    given = refused.body if isinstance(refused.body, Mapping) else {}
    plan, message_type = given.get("plan_id"), given.get("message_type")
    sound_plan = isinstance(plan, str) and plan_reference_problem(plan) is None
    plan_reference = str(plan) if sound_plan else _UNKNOWN
    is_type = isinstance(message_type, str) and message_type in set(MessageType)
    known_type = message_type if is_type else _UNKNOWN
    codes = sorted({_code(problem) for problem in refused.problems})
    return attention.Item(
        kind=AttentionKind.REQUEST_REFUSED,
        dedupe_key=f"{plan_reference}:{known_type}:{','.join(codes)}",
        target=f"plan:{plan_reference}",
        details={"message_type": known_type, "codes": codes},
    )


def _code(problem: FieldProblem) -> str:
    return problem.code if problem.code in _NAMED_BY_CALLER else f"{problem.field}:{problem.code}"
