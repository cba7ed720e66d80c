"""The planner's shapes in one form each: whatever of its ways something was sent in, templates, pages and rules meet
the dataclasses of this package.

A template asks for one by declaring a variable with its name as `shape`. What is wrong with it is refused when a
request is accepted, so reading it again when the message is composed finds no problem.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from communications.rules.shapes.budget import BudgetOption, read_budget_options
from communications.rules.shapes.reading import Reader
from communications.rules.shapes.updates import Change, Task, read_changes, read_tasks
from communications.rules.shapes.vendors import (
    Combination,
    VendorOptions,
    read_selection,
    read_vendor_options,
)
from core.errors import FieldProblem

__all__ = [
    "SHAPE_NAMES",
    "BudgetOption",
    "Change",
    "Combination",
    "Shape",
    "Task",
    "VendorOptions",
    "missing",
    "read_shape",
]


@dataclass(frozen=True)
class Shape:
    """`field` is what a caller is told to send, `needed` why."""

    read: Callable[[Mapping[str, Any], Reader], Any]
    field: str
    needed: str


# Shapes of one value, which has the name of the variable that declares it.
_OF_ONE_VALUE: Final[Mapping[str, Callable[[Reader, object, str], Any]]] = MappingProxyType(
    {"day": Reader.moment, "url": Reader.url}
)


SHAPES: Final[Mapping[str, Shape]] = MappingProxyType(
    {
        "budget_options": Shape(
            read_budget_options,
            field="budget_allocations",
            needed="budget_allocations or budget_strategies is needed: without it there is no budget to show.",
        ),
        "vendor_options": Shape(
            read_vendor_options,
            field="vendor_combinations",
            needed="vendor_combinations or vendors is needed: without it there is nothing to choose from.",
        ),
        "selection": Shape(
            read_selection,
            field="selected_combination",
            needed="selected_combination is needed: without it there is no choice to confirm.",
        ),
        "timeline_changes": Shape(
            read_changes, field="changes", needed="changes is needed: without it nothing is told."
        ),
        "tasks": Shape(read_tasks, field="tasks", needed="tasks is needed: without it nothing is told."),
    }
)


SHAPE_NAMES: Final = frozenset({*SHAPES, *_OF_ONE_VALUE})


def read_shape(shape: str, variables: Mapping[str, Any], *, name: str) -> tuple[Any, list[FieldProblem]]:
    """What the context holds of this shape for the variable `name`, None for nothing, and what is wrong with it."""
    reader = Reader()
    if shape in _OF_ONE_VALUE:
        value = _OF_ONE_VALUE[shape](reader, variables.get(name), name) or None
    else:
        value = SHAPES[shape].read(variables, reader)
    return (None if reader.problems else value), reader.problems


def missing(shape: str, *, name: str) -> FieldProblem:
    """What a caller is told who left out what a message cannot do without."""
    if shape in SHAPES:
        return FieldProblem(f"context.{SHAPES[shape].field}", "missing_variable", SHAPES[shape].needed)
    return FieldProblem(f"context.{name}", "missing_variable", f"{name} is needed for this message.")
