"""The planner's context in its one form (EML-9), and what is refused with which words."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from communications.rules.context import MAX_LEAVES, normalise_context
from core.errors import Invalid


def normalise(context):
    return normalise_context(context, plan_reference="plan-1")


def problems(context):
    with pytest.raises(Invalid) as refused:
        normalise(context)
    return {problem.field: problem.code for problem in refused.value.problems}


def test_base_fields_and_the_rest():
    found = normalise(
        {
            "client_name": " Priya Sharma ",
            "client_email": "priya@example.com",
            "client_phone": "+911234567890",
            "event_type": "wedding",
            "event_date": "2026-12-15",
            "guest_count": 150,
            "budget": 250000.5,
            "location": "Jaipur",
            "plan_id": "plan-1",
            "next_steps": ["a", {"b": None}],
        }
    )
    assert (found.client_name, found.email, found.phone) == (
        "Priya Sharma",
        "priya@example.com",
        "+911234567890",
    )
    assert (found.event_type, found.event_date, found.location) == ("wedding", date(2026, 12, 15), "Jaipur")
    assert (found.guest_count, found.budget) == (150, Decimal("250000.5"))
    assert found.variables == {"next_steps": ["a", {"b": None}]}


@pytest.mark.parametrize("empty", [{}, dict.fromkeys(("client_name", "event_date", "budget", "plan_id"))])
def test_nothing_given(empty):
    found = normalise(empty)
    assert (found.client_name, found.email, found.event_date, found.budget) == (None, None, None, None)
    assert found.variables == {}


def test_blank_texts_are_as_good_as_none():
    found = normalise({"client_name": "  ", "event_date": " ", "plan_id": "", "location": ""})
    assert (found.client_name, found.event_date, found.location) == (None, None, None)


def test_the_recipients_address_stands_in_for_the_clients():
    assert normalise({"recipient_email": "r@example.com", "client_email": ""}).email == "r@example.com"
    assert (
        normalise({"recipient_email": "r@example.com", "client_email": "c@example.com"}).email
        == "c@example.com"
    )
    assert normalise({"recipient_phone": "+911234567890"}).phone == "+911234567890"


@pytest.mark.parametrize(
    "written",
    [
        "2026-12-15",
        "2026-12-15T18:00:00",
        "2026-12-15T23:30:00-08:00",
        "2026-12-15 18:00",
        "2026-12-15T09:00Z",
    ],
)
def test_event_dates(written):
    assert normalise({"event_date": written}).event_date == date(2026, 12, 15)


@pytest.mark.parametrize(
    ("context", "field", "code"),
    [
        ({"client_name": 7}, "client_name", "wrong_type"),
        ({"client_name": ["Priya"]}, "client_name", "wrong_type"),
        ({"client_name": "x" * 201}, "client_name", "too_long"),
        ({"client_name": "Priya\r\nBcc: all@example.com"}, "client_name", "control_character"),
        ({"client_name": "a\u2028b"}, "client_name", "control_character"),
        ({"client_email": 7}, "client_email", "wrong_type"),
        ({"recipient_phone": 911234567890}, "recipient_phone", "wrong_type"),
        ({"event_date": "15/12/2026"}, "event_date", "invalid_date"),
        ({"event_date": "December 15"}, "event_date", "invalid_date"),
        ({"event_date": "20261215"}, "event_date", "invalid_date"),
        ({"event_date": "2026-02-30"}, "event_date", "invalid_date"),
        ({"event_date": "2026-12-15Tsoon"}, "event_date", "invalid_date"),
        ({"event_date": 1797292800}, "event_date", "invalid_date"),
        ({"event_date": "9999-12-31"}, "event_date", "date_out_of_range"),
        ({"event_date": "0001-01-01"}, "event_date", "date_out_of_range"),
        ({"guest_count": -1}, "guest_count", "invalid_number"),
        ({"guest_count": 1.5}, "guest_count", "invalid_number"),
        ({"guest_count": True}, "guest_count", "invalid_number"),
        ({"guest_count": "many"}, "guest_count", "invalid_number"),
        ({"guest_count": 10**9}, "guest_count", "invalid_number"),
        ({"budget": "a lot"}, "budget", "invalid_amount"),
        ({"budget": -5}, "budget", "invalid_amount"),
        ({"budget": "NaN"}, "budget", "invalid_amount"),
        ({"budget": float("inf")}, "budget", "invalid_amount"),
        ({"budget": {"amount": 5}}, "budget", "invalid_amount"),
        ({"budget": True}, "budget", "invalid_amount"),
        ({"plan_id": "plan-2"}, "plan_id", "contradicts_plan_id"),
        ({"plan_id": ["plan-1"]}, "plan_id", "wrong_type"),
    ],
)
def test_refused_with_its_field(context, field, code):
    assert problems(context) == {f"context.{field}": code}


def test_every_problem_is_named_at_once():
    assert set(problems({"client_name": 7, "event_date": "soon", "budget": "x"})) == {
        "context.client_name",
        "context.event_date",
        "context.budget",
    }


def test_a_message_never_repeats_a_value():
    with pytest.raises(Invalid) as refused:
        normalise(
            {"client_name": "Secret\nName", "event_date": "Secret", "budget": "Secret", "plan_id": "Secret"}
        )
    for problem in refused.value.problems:
        assert "Secret" not in problem.message


def _nested(depth):
    value = "leaf"
    for _ in range(depth):
        value = [value]
    return value


def test_depth():
    assert normalise({"a": _nested(18)}).variables
    assert problems({"a": _nested(19)}) == {"context": "too_deep"}
    assert problems({"a": _nested(50_000)}) == {"context": "too_deep"}


def test_number_of_values():
    assert normalise({"a": [0] * (MAX_LEAVES - 1)}).variables
    assert problems({"a": [0] * MAX_LEAVES}) == {"context": "too_many_values"}
    assert problems({"a": [[0] * 100] * 100}) == {"context": "too_many_values"}


def test_names_are_texts():
    assert problems({"a": {7: "x"}}) == {"context": "invalid_name"}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["client_name", "client_email", "event_date", "guest_count", "budget", "location", "plan_id", "x"]


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), anything, max_size=6))
def test_any_json_is_read_or_refused(context):
    try:
        found = normalise(context)
    except Invalid:
        return
    assert set(found.variables) == set(context) & {"x"}
