"""Ways to divide a budget: `budget_allocations` or `budget_strategies` (api.md §Context shapes)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from communications.rules.shapes.reading import Reader
from communications.rules.text import as_label

MOST_OPTIONS: Final = 3
_MOST_CATEGORIES: Final = 12
_SUFFIX: Final = "_budget"
_LABELS: Final = {"makeup": "Make-up", "catering": "Catering"}
_UNASSIGNED: Final = "Not assigned yet"


@dataclass(frozen=True)
class Share:
    """What one category gets. `percent` is whole, and those of an option add up to 100. `series` counts categories
    from 0, the same for a category in every option, so that it always has the same colour; -1 is what no category
    has got."""

    category: str
    amount: Decimal
    percent: int
    series: int


@dataclass(frozen=True)
class BudgetOption:
    """One way to divide the whole budget. `suggested`: the planner says that it recommends this one."""

    name: str
    description: str
    total: Decimal
    shares: tuple[Share, ...]
    suggested: bool

    @property
    def bar(self) -> tuple[Share, ...]:
        """What can be seen in a bar of a hundred parts."""
        return tuple(share for share in self.shares if share.percent)


@dataclass(frozen=True)
class _Found:
    name: str
    description: str
    total: Decimal
    amounts: Mapping[str, Decimal]
    suggested: bool


def read_budget_options(variables: Mapping[str, Any], reader: Reader) -> tuple[BudgetOption, ...] | None:
    """None when there are none."""
    for name in ("budget_allocations", "budget_strategies"):
        given = variables.get(name)
        if given is None or given == []:
            continue
        found = [_option(item, place, reader) for item, place in reader.items(given, name, most=MOST_OPTIONS)]
        options = [option for option in found if option is not None]
        return tuple(_with_shares(options)) or None
    return None


def _option(item: object, place: str, reader: Reader) -> _Found | None:
    given = reader.mapping(item, place)
    if not given:
        return None
    problems = len(reader.problems)
    amounts = dict(_amounts(given, place, reader))
    stated = "total_allocated" if "total_allocated" in given else "total"
    total = reader.amount(given.get(stated), f"{place}.{stated}")
    if len(reader.problems) > problems:
        return None
    if not amounts:
        reader.refuse(place, "missing_variable", "Say how much each category gets.")
        return None
    divided = sum(amounts.values(), Decimal(0))
    if total is None:
        total = divided
    # Whoever rounds each category may be off by less than one for each.
    if divided - total >= len(amounts):
        message = "The categories add up to more than the total. Correct one or the other."
        reader.refuse(f"{place}.{stated}", "does_not_add_up", message)
        return None
    if total - divided >= len(amounts):
        amounts[_UNASSIGNED] = total - divided
    number = place.rpartition("[")[2].rstrip("]")
    name = as_label(reader.text(given.get("strategy") or given.get("name"), f"{place}.name"))
    return _Found(
        name=name or f"Option {int(number) + 1}",
        description=reader.text(given.get("description"), f"{place}.description"),
        total=total,
        amounts=amounts,
        suggested=reader.truth(given.get("recommended"), f"{place}.recommended"),
    )


def _amounts(given: Mapping[str, Any], place: str, reader: Reader) -> Iterator[tuple[str, Decimal]]:
    """By category, in the planner's order: fields such as `venue_budget`, or an object of its own."""
    for inner in ("breakdown", "allocations"):
        if given.get(inner) is not None:
            amounts, place = reader.mapping(given[inner], f"{place}.{inner}"), f"{place}.{inner}"
            break
    else:
        amounts = {name: value for name, value in given.items() if name.endswith(_SUFFIX)}
    if len(amounts) > _MOST_CATEGORIES:
        reader.refuse(place, "too_many", f"Give at most {_MOST_CATEGORIES} categories.")
        return
    for name, value in amounts.items():
        amount = reader.amount(value, f"{place}.{name}")
        if amount is not None:
            key = name.removesuffix(_SUFFIX)
            yield _LABELS.get(key) or as_label(key), amount


def _with_shares(found: list[_Found]) -> Iterator[BudgetOption]:
    series: dict[str, int] = {_UNASSIGNED: -1}
    for option in found:
        for category in option.amounts:
            series.setdefault(category, len(series) - 1)
    for option in found:
        percents = whole_percents(list(option.amounts.values()))
        shares = tuple(
            Share(category, amount, percent, series[category])
            for (category, amount), percent in zip(option.amounts.items(), percents, strict=True)
        )
        yield BudgetOption(option.name, option.description, option.total, shares, option.suggested)


def whole_percents(amounts: list[Decimal]) -> list[int]:
    """Shares in whole percent that add up to 100: the largest remainders are rounded up. All 0 for nothing."""
    total = sum(amounts, Decimal(0))
    if not total:
        return [0] * len(amounts)
    exact = [amount * 100 / total for amount in amounts]
    percents = [int(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda place: percents[place] - exact[place])
    for place in by_remainder[: 100 - sum(percents)]:
        percents[place] += 1
    return percents
