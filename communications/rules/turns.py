"""Putting requests that touch the same things one after the other, and all others side by side. Pure."""

from collections.abc import Callable, Collection, Hashable, Iterable
from typing import TypeVar

T = TypeVar("T")


def in_turns(items: Iterable[T], *, touches: Callable[[T], Collection[Hashable]]) -> list[list[T]]:
    """The items in as few turns as can be: within a turn no two touch the same thing, and of two that do, the
    earlier one comes in an earlier turn. Doing the turns in order does what doing the items in order would do."""
    turns: list[list[T]] = []
    free_from: dict[Hashable, int] = {}
    for item in items:
        touched = touches(item)
        turn = max((free_from.get(thing, 0) for thing in touched), default=0)
        free_from.update(dict.fromkeys(touched, turn + 1))
        if turn == len(turns):
            turns.append([])
        turns[turn].append(item)
    return turns
