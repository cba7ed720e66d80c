"""The planning itself: pure, and the same for the same request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from typing import Final

from examples.planning_agent.state import BudgetAllocation, ChosenVendor, PlanRequest, VendorCombination
from examples.planning_agent.vendors import CATEGORIES, VENDORS, Vendor

BEAM_WIDTH: Final = 3
# Percent for venue, catering, photography and make-up.
_STRATEGIES: Final = {
    "balanced": (40, 36, 14, 10),
    "venue first": (48, 32, 12, 8),
    "guests first": (36, 42, 13, 9),
}
_BUDGET_OF: Final = {
    "venue": "venue_budget",
    "caterer": "catering_budget",
    "photographer": "photography_budget",
    "makeup_artist": "makeup_budget",
}
_LABELS: Final = {
    "venue": "Venue",
    "caterer": "Catering",
    "photographer": "Photography",
    "makeup_artist": "Make-up",
}
# Days before the event, and what has to be done by then.
_MILESTONES: Final = (
    (90, "Contracts signed, first payments made"),
    (60, "Menu tasted and chosen"),
    (30, "Guest list closed"),
    (14, "Schedule of the day agreed with every vendor"),
    (2, "Final walk through the venue"),
)


class PlanningFailed(Exception):
    """The plan cannot be made as asked. The text is for staff."""


@dataclass(frozen=True)
class _Partial:
    """A combination on its way: vendors for the first categories, with costs."""

    chosen: tuple[tuple[Vendor, int], ...] = ()

    @property
    def cost(self) -> int:
        return sum(cost for _, cost in self.chosen)

    def score(self, budget: int) -> float:
        """0 to 1: good vendors count three times as much as money left over."""
        rating = sum(vendor.rating for vendor, _ in self.chosen) / (5 * len(self.chosen))
        return 0.75 * rating + 0.25 * (1 - self.cost / budget)


def check_request(request: PlanRequest, *, today: date) -> None:
    """Raises PlanningFailed when there is nothing to plan."""
    if request["guest_count"] < 1 or request["budget"] < 1:
        raise PlanningFailed("guests and budget must be more than nothing")
    if date.fromisoformat(request["event_date"]) <= today:
        raise PlanningFailed(f"the event on {request['event_date']} is not ahead of {today.isoformat()}")


def allocate_budget(request: PlanRequest) -> list[BudgetAllocation]:
    """The whole budget, divided in three ways; the first is the one that vendors are searched with."""
    allocations: list[BudgetAllocation] = []
    for number, (strategy, shares) in enumerate(_STRATEGIES.items(), start=1):
        catering, photography, makeup = (request["budget"] * share // 100 for share in shares[1:])
        allocations.append(
            {
                "allocation_id": f"{request['plan_id']}-allocation-{number}",
                "strategy": strategy,
                "venue_budget": request["budget"] - catering - photography - makeup,
                "catering_budget": catering,
                "photography_budget": photography,
                "makeup_budget": makeup,
                "total_allocated": request["budget"],
            }
        )
    return allocations


def search_combinations(request: PlanRequest, allocation: BudgetAllocation) -> list[VendorCombination]:
    """A beam search through the categories: the best combinations within the allocation, best first.

    Raises PlanningFailed when a category has no vendor with room for all guests within its budget.
    """
    vendors = VENDORS.get(request["location"])
    if vendors is None:
        raise PlanningFailed(f"no vendors are known in {request['location']}")
    limits: Mapping[str, object] = allocation
    beam = [_Partial()]
    for category in CATEGORIES:
        limit = limits[_BUDGET_OF[category]]
        usable = _usable(category, vendors[category], request, limit if isinstance(limit, int) else 0)
        grown = [_Partial((*partial.chosen, choice)) for partial in beam for choice in usable]
        beam = sorted(grown, key=lambda partial: -partial.score(request["budget"]))[:BEAM_WIDTH]
    return [_combination(rank, partial, request) for rank, partial in enumerate(beam, start=1)]


def _usable(
    category: str, vendors: Sequence[Vendor], request: PlanRequest, limit: int
) -> list[tuple[Vendor, int]]:
    guests = request["guest_count"]
    roomy = [(vendor, vendor.cost_for(guests)) for vendor in vendors if vendor.has_room_for(guests)]
    usable = [(vendor, cost) for vendor, cost in roomy if cost <= limit]
    if usable:
        return usable
    cheapest = min((cost for _, cost in roomy), default=None)
    asks = "none has the room" if cheapest is None else f"the cheapest asks {cheapest:,}"
    raise PlanningFailed(
        f"no {category} in {request['location']} for {guests} guests within {limit:,} {request['currency']}; {asks}"
    )


def _combination(rank: int, partial: _Partial, request: PlanRequest) -> VendorCombination:
    vendors: dict[str, ChosenVendor] = {
        category: {
            "id": vendor.id,
            "name": vendor.name,
            "cost": cost,
            "rating": vendor.rating,
            "description": vendor.description,
        }
        for category, (vendor, cost) in zip(CATEGORIES, partial.chosen, strict=True)
    }
    identity = sha256(" ".join(vendor.id for vendor, _ in partial.chosen).encode()).hexdigest()
    rating = sum(vendor["rating"] for vendor in vendors.values()) / len(vendors)
    left = round(100 * (request["budget"] - partial.cost) / request["budget"])
    return {
        "rank": rank,
        "combination_id": f"combination-{identity[:12]}",
        "fitness_score": round(partial.score(request["budget"]), 3),
        "total_cost": partial.cost,
        "summary": f"Rated {rating:.1f} on average; {left} % of the budget is left for what comes up.",
        "vendors": vendors,
    }


def select_combination(
    combinations: Sequence[VendorCombination], combination_id: object
) -> VendorCombination:
    """The one that the client chose; raises PlanningFailed when it was not among those presented."""
    for combination in combinations:
        if combination["combination_id"] == combination_id:
            return combination
    raise PlanningFailed("the client's choice is none of the combinations that were presented")


def write_blueprint(request: PlanRequest, selected: VendorCombination) -> str:
    """The plan as Markdown."""
    currency, day = request["currency"], date.fromisoformat(request["event_date"])
    vendors = [
        f"| {_LABELS[category]} | {vendor['name']} | {vendor['cost']:,} {currency} | {vendor['description']} |"
        for category, vendor in selected["vendors"].items()
    ]
    milestones = [f"- {(day - timedelta(days=before)).isoformat()}: {done}" for before, done in _MILESTONES]
    left = request["budget"] - selected["total_cost"]
    lines = [
        f"# {request['event_type'].capitalize()} of {request['client_name']}",
        "",
        f"{day.isoformat()}, {request['location']}, {request['guest_count']} guests.",
        "",
        "## Vendors",
        "",
        "| For | Vendor | Cost | What |",
        "|---|---|---|---|",
        *vendors,
        "",
        "## Budget",
        "",
        f"- Vendors: {selected['total_cost']:,} {currency}",
        f"- Kept for what comes up: {left:,} {currency}",
        "",
        "## What happens when",
        "",
        *milestones,
        f"- {day.isoformat()}: the day itself",
    ]
    return "\n".join(lines) + "\n"
