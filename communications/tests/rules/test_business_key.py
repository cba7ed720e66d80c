"""Equal content gives the equal key, whatever run it came from."""

from datetime import date
from decimal import Decimal

import pytest

from communications.choices import MessageType
from communications.rules.business_key import NOT_CONTENT, business_key_material

BASE = {
    "client_ref": "client-1",
    "plan_ref": "plan-1",
    "message_type": MessageType.VENDOR_OPTIONS,
    "dedup_key": None,
    "variables": {"options": [{"rank": 1, "cost": 5}, {"rank": 2, "cost": 7.5}], "note": "ß"},
}


def material(**changes):
    return business_key_material(**(BASE | changes))


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param(
            {"note": "ß", "options": [{"cost": 5, "rank": 1}, {"cost": 7.5, "rank": 2}]}, id="order"
        ),
        pytest.param(
            {"options": [{"rank": 1.0, "cost": 5.0}, {"rank": 2, "cost": 7.5}], "note": "ß"}, id="5 and 5.0"
        ),
        pytest.param(
            BASE["variables"] | dict.fromkeys(NOT_CONTENT, "2026-11-21"), id="ids and times of the run"
        ),
        pytest.param(
            {"options": [{"rank": 1, "cost": 5, "generated_at": 1}, {"rank": 2, "cost": 7.5}], "note": "ß"},
            id="also inside",
        ),
        pytest.param(
            {"options": ({"rank": 1, "cost": 5}, {"rank": 2, "cost": 7.5}), "note": "ß"}, id="tuple or list"
        ),
    ],
)
def test_the_same_request(variables):
    assert material(variables=variables) == material()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"client_ref": "client-2"}, id="client"),
        pytest.param({"plan_ref": "plan-2"}, id="plan"),
        pytest.param({"client_ref": "client-1plan", "plan_ref": "-1"}, id="parts do not run together"),
        pytest.param({"message_type": MessageType.WELCOME}, id="type"),
        pytest.param({"dedup_key": "x"}, id="dedup_key"),
        pytest.param({"variables": {}}, id="values"),
        pytest.param(
            {"variables": {"options": [{"rank": 2, "cost": 7.5}, {"rank": 1, "cost": 5}], "note": "ß"}},
            id="the order of a list means something",
        ),
        pytest.param({"variables": BASE["variables"] | {"note": None}}, id="null is a value"),
    ],
)
def test_another_request(changes):
    assert material(**changes) != material()


def test_true_is_not_one():
    assert material(variables={"a": True}) != material(variables={"a": 1})


def test_a_dedup_key_counts_instead_of_the_values():
    assert material(dedup_key="x") == material(dedup_key="x", variables={})
    assert material(dedup_key="x") != material(dedup_key="y")
    assert material(dedup_key="") != material()


def test_dates_and_amounts_are_taken_as_texts():
    assert material(variables={"at": date(2026, 12, 15), "sum": Decimal("1.50")}) == material(
        variables={"at": "2026-12-15", "sum": "1.50"}
    )


def test_half_a_surrogate_pair_does_no_harm():
    assert isinstance(material(variables={"a": "\ud800"}), bytes)
