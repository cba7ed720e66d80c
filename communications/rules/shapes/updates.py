"""What moved in a plan: `changes` of the timeline, and `tasks`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from communications.rules.shapes.reading import Reader
from communications.rules.text import as_label

_MOST: Final = 20
_TITLES: Final = ("title", "what", "milestone", "task", "name")
_BEFORE: Final = ("from", "before", "old_date", "previous_date")
_AFTER: Final = ("to", "after", "new_date", "date")
_NOTES: Final = ("note", "description", "reason")
_OWNERS: Final = ("owner", "assigned_to")


@dataclass(frozen=True)
class Change:
    """One change of the timeline. `before` and `after` are days or words, empty where nothing was given."""

    title: str
    before: date | str
    after: date | str
    note: str


@dataclass(frozen=True)
class Task:
    title: str
    status: str
    due: date | str
    owner: str
    note: str


def read_changes(variables: Mapping[str, Any], reader: Reader) -> tuple[Change, ...] | None:
    """`changes`, or `timeline_changes`: texts, or objects with a title and what it was before and is now."""
    name = "changes" if variables.get("changes") else "timeline_changes"
    if not variables.get(name):
        return None
    changes = []
    for item, place in reader.items(variables[name], name, most=_MOST):
        given = _titled(item, place, reader)
        title = reader.text(_first(given, _TITLES), place)
        if title:
            changes.append(
                Change(
                    title=title,
                    before=reader.moment(_first(given, _BEFORE), place),
                    after=reader.moment(_first(given, _AFTER), place),
                    note=reader.text(_first(given, _NOTES), place),
                )
            )
    return tuple(changes) or None


def read_tasks(variables: Mapping[str, Any], reader: Reader) -> tuple[Task, ...] | None:
    """`tasks`, or one `task`: texts, or objects. Of one task, status and due date may stand beside it."""
    if variables.get("tasks"):
        items = list(reader.items(variables["tasks"], "tasks", most=_MOST))
    elif variables.get("task"):
        beside = {name: variables[name] for name in ("status", "due_date", "owner") if variables.get(name)}
        task = variables["task"]
        items = [({"title": task, **beside} if isinstance(task, str) else task, "task")]
    else:
        return None
    tasks = []
    for item, place in items:
        given = _titled(item, place, reader)
        title = reader.text(_first(given, _TITLES), place)
        if title:
            tasks.append(
                Task(
                    title=title,
                    status=as_label(reader.text(given.get("status"), f"{place}.status")),
                    due=reader.moment(given.get("due_date"), f"{place}.due_date"),
                    owner=reader.text(_first(given, _OWNERS), place),
                    note=reader.text(_first(given, _NOTES), place),
                )
            )
    return tuple(tasks) or None


def _titled(item: object, place: str, reader: Reader) -> Mapping[str, Any]:
    given = {"title": item} if isinstance(item, str) else reader.mapping(item, place)
    if given and not any(given.get(name) for name in _TITLES):
        reader.refuse(place, "missing_variable", "Say what it is about, as its title.")
    return given


def _first(given: Mapping[str, Any], names: tuple[str, ...]) -> object:
    return next((given[name] for name in names if given.get(name)), None)
