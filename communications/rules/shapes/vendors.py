"""Vendors to choose from, and those that were chosen: `vendor_combinations`, `vendors` as a list, and
`selected_combination` in either shape (api.md §Context shapes)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from communications.rules.shapes.reading import Reader
from communications.rules.text import as_label

MOST_COMBINATIONS: Final = 6
_MOST_VENDORS: Final = 24
_LABELS: Final = {
    "caterer": "Catering",
    "catering": "Catering",
    "makeup": "Make-up",
    "makeup_artist": "Make-up",
    "photographer": "Photography",
}


@dataclass(frozen=True)
class Vendor:
    """`image` is an https URL. `cost` is for this event, None where the planner gave none."""

    category: str
    name: str
    description: str
    cost: Decimal | None
    rating: Decimal | None
    image: str
    choose_url: str

    @property
    def best_rating(self) -> int:
        """What the rating is out of: five stars, or ten points."""
        return 10 if self.rating is not None and self.rating > 5 else 5

    @property
    def monogram(self) -> str:
        """Stands where there is no picture."""
        return next((letter.upper() for letter in self.name if letter.isalnum()), "·")


@dataclass(frozen=True)
class Combination:
    """Vendors that fit together. `number` counts from 1 as the client sees them; `combination_id` is the planner's.
    `choose_url` is where a button may lead, empty for none."""

    number: int
    combination_id: str
    name: str
    summary: str
    vendors: tuple[Vendor, ...]
    total: Decimal | None
    choose_url: str


@dataclass(frozen=True)
class Shortlist:
    """Vendors of one category, of which one is to be chosen."""

    category: str
    vendors: tuple[Vendor, ...]


@dataclass(frozen=True)
class VendorOptions:
    """Either combinations, or, where the planner made none, a shortlist for each category."""

    combinations: tuple[Combination, ...]
    shortlists: tuple[Shortlist, ...]

    @property
    def can_be_chosen_online(self) -> bool:
        urls = [each.choose_url for each in self.combinations]
        urls += [vendor.choose_url for shortlist in self.shortlists for vendor in shortlist.vendors]
        return all(urls)


def read_vendor_options(variables: Mapping[str, Any], reader: Reader) -> VendorOptions | None:
    """None when there are none. `selection_url` of the context is for all that have no URL of their own."""
    url = reader.url(variables.get("selection_url"), "selection_url")
    given = variables.get("vendor_combinations")
    if given:
        combinations = [
            _combination(item, place, reader, url)
            for item, place in reader.items(given, "vendor_combinations", most=MOST_COMBINATIONS)
        ]
        return VendorOptions(_numbered([each for each in combinations if each is not None]), ())
    if variables.get("vendors"):
        vendors = _vendors(variables["vendors"], "vendors", reader, url)
        by_category: dict[str, list[Vendor]] = {}
        for vendor in vendors:
            by_category.setdefault(vendor.category, []).append(vendor)
        shortlists = tuple(Shortlist(category, tuple(each)) for category, each in by_category.items())
        return VendorOptions((), shortlists) if shortlists else None
    return None


def read_selection(variables: Mapping[str, Any], reader: Reader) -> Combination | None:
    """What the client has chosen; None when there is nothing."""
    given = variables.get("selected_combination")
    if not given:
        return None
    place = "selected_combination"
    if isinstance(given, list):
        given = {"vendors": given}
    found = _combination(given, place, reader, "")
    return None if found is None else found[1]


def _numbered(combinations: list[tuple[int | None, Combination]]) -> tuple[Combination, ...]:
    """In the order of their ranks, where each has one."""
    ranked = combinations
    if all(rank is not None for rank, _ in combinations):
        ranked = sorted(combinations, key=lambda each: each[0] or 0)
    return tuple(
        Combination(**{**vars(each), "number": number}) for number, (_, each) in enumerate(ranked, start=1)
    )


def _combination(item: object, place: str, reader: Reader, url: str) -> tuple[int | None, Combination] | None:
    given = reader.mapping(item, place)
    if not given:
        return None
    # Only whole combinations are chosen, so its vendors need no URL.
    vendors = tuple(_vendors(given.get("vendors"), f"{place}.vendors", reader, ""))
    if not vendors:
        return None
    costs = [vendor.cost for vendor in vendors if vendor.cost is not None]
    total = reader.amount(given.get("total_cost"), f"{place}.total_cost")
    if total is None and len(costs) == len(vendors):
        total = sum(costs, Decimal(0))
    rank = given.get("rank")
    combination = Combination(
        number=1,
        combination_id=reader.text(given.get("combination_id"), f"{place}.combination_id"),
        name=reader.text(given.get("name"), f"{place}.name"),
        summary=reader.text(given.get("summary"), f"{place}.summary"),
        vendors=vendors,
        total=total,
        choose_url=reader.url(given.get("selection_url"), f"{place}.selection_url") or url,
    )
    return (rank if isinstance(rank, int) and not isinstance(rank, bool) else None), combination


def _vendors(given: object, place: str, reader: Reader, url: str) -> Iterator[Vendor]:
    """By category as an object, or as a list of which each names its `category`."""
    if not given:
        reader.refuse(place, "missing_variable", "Name at least one vendor.")
        return
    if isinstance(given, Mapping):
        if len(given) > _MOST_VENDORS:
            reader.refuse(place, "too_many", f"Give at most {_MOST_VENDORS}.")
            return
        for category, item in given.items():
            if item is not None:  # a category for which nobody was found
                yield from _vendor(item, f"{place}.{category}", category, reader, url)
        return
    for item, where in reader.items(given, place, most=_MOST_VENDORS):
        named = item.get("category") if isinstance(item, Mapping) else None
        yield from _vendor(item, where, reader.text(named, f"{where}.category"), reader, url)


def _vendor(item: object, place: str, category: str, reader: Reader, url: str) -> Iterator[Vendor]:
    if isinstance(item, str):
        item = {"name": item}
    given = reader.mapping(item, place)
    name = reader.text(given.get("name"), f"{place}.name")
    if not name:
        if given:
            reader.refuse(f"{place}.name", "missing_variable", "Name the vendor.")
        return
    cost = "cost" if given.get("cost") is not None else "price"
    yield Vendor(
        category=_LABELS.get(category) or as_label(category),
        name=name,
        description=reader.text(given.get("description"), f"{place}.description"),
        cost=reader.amount(given.get(cost), f"{place}.{cost}"),
        rating=reader.rating(given.get("rating"), f"{place}.rating"),
        image=reader.image(given.get("image"), f"{place}.image"),
        choose_url=reader.url(given.get("selection_url"), f"{place}.selection_url") or url,
    )
