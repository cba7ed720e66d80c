"""The planner's shapes, both kinds, in one form; and what is refused with which words (api.md §Context shapes)."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communications.rules.shapes import SHAPE_NAMES, read_shape
from communications.rules.shapes.budget import whole_percents
from examples.planning_agent.clients import CLIENTS
from examples.planning_agent.planning import allocate_budget, search_combinations

REQUEST = CLIENTS[0].plan_request(date(2026, 11, 21))


def read(shape: str, **variables: object):
    value, problems = read_shape(shape, variables, name="x")
    assert problems == []
    return value


def problems(shape: str, **variables: object) -> dict[str, str]:
    value, found = read_shape(shape, variables, name="x")
    assert value is None
    assert all(problem.message.endswith(".") for problem in found)
    return {problem.field: problem.code for problem in found}


def test_budget_as_allocations() -> None:
    options = read("budget_options", budget_allocations=allocate_budget(REQUEST))

    assert [option.name for option in options] == ["Balanced", "Venue first", "Guests first"]
    assert [option.total for option in options] == [2_500_000] * 3
    assert [(share.category, share.amount, share.percent) for share in options[0].shares] == [
        ("Venue", 1_000_000, 40),
        ("Catering", 900_000, 36),
        ("Photography", 350_000, 14),
        ("Make-up", 250_000, 10),
    ]
    assert not any(option.suggested for option in options)


@pytest.mark.parametrize("inner", ["breakdown", "allocations"])
def test_budget_as_strategies(inner: str) -> None:
    strategies = [
        {"name": "venue_first", "total": "100", inner: {"venue": 60, "live_music": 40}},
        {"total": 100, inner: {"live_music": 90.5}, "description": "Loud.", "recommended": True},
    ]
    first, second = read("budget_options", budget_strategies=strategies)

    assert (first.name, second.name) == ("Venue first", "Option 2")
    assert (second.description, second.suggested) == ("Loud.", True)
    assert [(share.category, share.series) for share in first.shares] == [("Venue", 0), ("Live music", 1)]
    # The same category has the same colour; what is left over has none.
    assert [(share.category, share.percent, share.series) for share in second.shares] == [
        ("Live music", 91, 1),
        ("Not assigned yet", 9, -1),
    ]


def test_a_total_that_is_left_out_is_the_sum_and_rounding_is_no_mistake() -> None:
    (summed,) = read("budget_options", budget_strategies=[{"breakdown": {"a": 1, "b": 2}}])
    (rounded,) = read(
        "budget_options", budget_strategies=[{"total": 100, "breakdown": {"a": 50.4, "b": 50.4}}]
    )

    assert summed.total == 3
    assert rounded.total == 100
    assert [share.category for share in rounded.shares] == ["A", "B"]


def test_nothing_to_divide_has_no_bar() -> None:
    (option,) = read("budget_options", budget_allocations=[{"venue_budget": 0, "total_allocated": 0}])

    assert option.bar == ()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"budget_allocations": "much"}, {"context.budget_allocations": "wrong_type"}),
        ({"budget_allocations": [1]}, {"context.budget_allocations[0]": "wrong_type"}),
        ({"budget_allocations": [{}] * 4}, {"context.budget_allocations": "too_many"}),
        (
            {"budget_allocations": [{"venue_budget": "much", "total_allocated": True}]},
            {
                "context.budget_allocations[0].venue_budget": "invalid_amount",
                "context.budget_allocations[0].total_allocated": "invalid_amount",
            },
        ),
        (
            {"budget_allocations": [{"venue_budget": 20, "total_allocated": 10}]},
            {"context.budget_allocations[0].total_allocated": "does_not_add_up"},
        ),
        ({"budget_strategies": [{"name": "a"}]}, {"context.budget_strategies[0]": "missing_variable"}),
        (
            {"budget_strategies": [{"breakdown": {"a": -1}}]},
            {"context.budget_strategies[0].breakdown.a": "invalid_amount"},
        ),
        (
            {"budget_strategies": [{"breakdown": [1]}]},
            {"context.budget_strategies[0].breakdown": "wrong_type"},
        ),
    ],
)
def test_budget_that_cannot_be_shown(given: dict, expected: dict) -> None:
    assert problems("budget_options", **given) == expected


@given(st.lists(st.decimals(min_value=0, max_value=10**12, places=2), min_size=1, max_size=12))
def test_shares_add_up_to_a_hundred(amounts: list[Decimal]) -> None:
    percents = whole_percents(amounts)

    assert sum(percents) == (100 if sum(amounts) else 0)
    for amount, percent in zip(amounts, percents, strict=True):
        assert abs(percent - (amount * 100 / sum(amounts) if sum(amounts) else 0)) < 1


def test_combinations_as_the_planner_finds_them() -> None:
    found = search_combinations(REQUEST, allocate_budget(REQUEST)[0])
    options = read("vendor_options", vendor_combinations=found[::-1])

    assert [each.number for each in options.combinations] == [1, 2, 3]
    assert [each.combination_id for each in options.combinations] == [
        each["combination_id"] for each in found
    ]
    best = options.combinations[0]
    assert best.total == found[0]["total_cost"]
    assert [vendor.category for vendor in best.vendors] == ["Venue", "Catering", "Photography", "Make-up"]
    assert (best.vendors[0].monogram, best.vendors[0].best_rating) == (best.vendors[0].name[0], 5)
    assert not options.can_be_chosen_online


def test_urls_of_a_choice_are_each_ones_own_or_the_one_for_all() -> None:
    vendors = {"venue": {"name": "Lotus", "cost": 5, "rating": "9.25"}}
    combinations = [
        {"vendors": vendors, "selection_url": "https://crm.example/1"},
        {"vendors": [{"category": "venue", "name": "Rose"}]},
    ]
    without = read("vendor_options", vendor_combinations=combinations)
    with_one = read(
        "vendor_options", vendor_combinations=combinations, selection_url="https://crm.example/all"
    )

    assert not without.can_be_chosen_online
    assert [each.choose_url for each in with_one.combinations] == [
        "https://crm.example/1",
        "https://crm.example/all",
    ]
    assert [each.total for each in without.combinations] == [5, None]
    assert (without.combinations[0].vendors[0].rating, without.combinations[0].vendors[0].best_rating) == (
        Decimal("9.2"),
        10,
    )


def test_vendors_as_a_list_are_grouped_by_category() -> None:
    options = read(
        "vendor_options",
        vendors=[
            {
                "category": "makeup_artist",
                "name": "Noor",
                "price": "12.50",
                "image": "https://a.example/b.jpg",
            },
            {"category": "venue", "name": "Lotus", "image": "http://a.example/b.jpg"},
            {"category": "makeup_artist", "name": "Meena", "image": "/b.jpg"},
        ],
    )

    assert options.combinations == ()
    assert [(each.category, [vendor.name for vendor in each.vendors]) for each in options.shortlists] == [
        ("Make-up", ["Noor", "Meena"]),
        ("Venue", ["Lotus"]),
    ]
    assert options.shortlists[0].vendors[0].cost == Decimal("12.50")
    # Mail programs load nothing that is not https: a placeholder then.
    assert [vendor.image for each in options.shortlists for vendor in each.vendors] == [
        "https://a.example/b.jpg",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"vendor_combinations": {"a": 1}}, {"context.vendor_combinations": "wrong_type"}),
        (
            {"vendor_combinations": [{"rank": 1}]},
            {"context.vendor_combinations[0].vendors": "missing_variable"},
        ),
        (
            {"vendor_combinations": [{"vendors": {"venue": {"cost": 1}}}]},
            {
                "context.vendor_combinations[0].vendors.venue.name": "missing_variable",
            },
        ),
        (
            {
                "vendor_combinations": [
                    {"vendors": {"venue": {"name": "a", "cost": [1], "rating": 11, "image": 1}}}
                ]
            },
            {
                "context.vendor_combinations[0].vendors.venue.cost": "invalid_amount",
                "context.vendor_combinations[0].vendors.venue.rating": "invalid_rating",
                "context.vendor_combinations[0].vendors.venue.image": "wrong_type",
            },
        ),
        (
            {"vendors": ["a"], "selection_url": "javascript:alert(1)"},
            {"context.selection_url": "invalid_url"},
        ),
        (
            {"vendors": ["a"], "selection_url": "https://a.example/'><script>"},
            {"context.selection_url": "invalid_url"},
        ),
        (
            {"vendors": ["a"], "selection_url": "https://user:word@a.example/"},
            {"context.selection_url": "invalid_url"},
        ),
        ({"vendors": ["a"] * 25}, {"context.vendors": "too_many"}),
    ],
)
def test_vendors_that_cannot_be_shown(given: dict, expected: dict) -> None:
    assert problems("vendor_options", **given) == expected


@pytest.mark.parametrize(
    "given",
    [
        {"combination_id": "c", "total_cost": 5, "vendors": {"venue": {"name": "Lotus", "cost": 5}}},
        {"vendors": [{"category": "venue", "name": "Lotus", "cost": 5}]},
        [{"category": "venue", "name": "Lotus", "cost": 5}],
    ],
)
def test_selection_in_either_shape(given: object) -> None:
    selection = read("selection", selected_combination=given)

    assert [(vendor.category, vendor.name, vendor.cost) for vendor in selection.vendors] == [
        ("Venue", "Lotus", 5)
    ]
    assert selection.total == 5


def test_changes_and_tasks() -> None:
    first, second, third = read(
        "timeline_changes",
        changes=[
            {"title": "Tasting", "from": "2027-04-20", "to": "2027-04-27T10:00:00Z"},
            {"milestone": "Guest list", "new_date": "some time in May", "reason": "Late post."},
            "The rehearsal is in the garden.",
        ],
    )
    assert (first.before, first.after) == (date(2027, 4, 20), date(2027, 4, 27))
    assert (second.title, second.after, second.note) == ("Guest list", "some time in May", "Late post.")
    assert (third.title, third.after) == ("The rehearsal is in the garden.", "")

    (task,) = read("tasks", task="Invitations", status="in_progress", due_date="2027-01-15")
    assert (task.title, task.status, task.due) == ("Invitations", "In progress", date(2027, 1, 15))
    assert [each.title for each in read("tasks", tasks=["a", {"name": "b"}])] == ["a", "b"]
    assert problems("tasks", tasks=[{"status": "done"}]) == {"context.tasks[0]": "missing_variable"}
    assert problems("timeline_changes", changes=[{"title": "a", "to": "2027-13-45"}]) == {
        "context.changes[0]": "invalid_date"
    }


def test_nothing_given_is_nothing_read() -> None:
    for shape in sorted(SHAPE_NAMES):
        assert read(shape) is None
        assert (
            read(shape, budget_allocations=[], vendors=None, vendor_combinations=[], tasks=[], changes=[])
            is None
        )


# What a careless planner might put anywhere.
scalars = st.sampled_from(
    [
        None,
        True,
        -1,
        5,
        1e300,
        float("nan"),
        10**40,
        "",
        "a",
        "5",
        "nan",
        "2027-99-01",
        "https://[",
        "\x00",
        "a" * 3000,
    ]
)
_INNER = (
    "name vendors venue total total_cost breakdown strategy venue_budget rating cost image category title status "
    "to due_date"
)
_OUTER = (
    "budget_allocations budget_strategies vendor_combinations vendors selection_url selected_combination changes "
    "timeline_changes task tasks status due_date x"
)
names = st.sampled_from(_INNER.split(" "))
likely = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=4),
    max_leaves=8,
)


@given(
    shape=st.sampled_from(sorted(SHAPE_NAMES)),
    variables=st.dictionaries(
        st.sampled_from(_OUTER.split(" ")),
        likely,
        max_size=3,
    ),
)
def test_anything_is_read_or_refused(shape: str, variables: dict) -> None:
    """A wrong type behind a right name is a sentence, never an error of ours."""
    value, found = read_shape(shape, variables, name="x")

    assert value is None or not found
    assert all(len(problem.field) < 220 and problem.message for problem in found)
