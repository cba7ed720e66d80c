"""The workflow, its state and what it asks the CRM for (WF-1 to WF-7)."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from examples.planning_agent.clients import CLIENTS
from examples.planning_agent.crm import CrmClient
from examples.planning_agent.graph import run_plan
from examples.planning_agent.planning import PlanningFailed, allocate_budget, search_combinations
from examples.planning_agent.state import (
    BudgetAllocation,
    ChosenVendor,
    CommunicationRecord,
    PlanningState,
    VendorCombination,
)
from examples.planning_agent.tests.crm_server import Behaviour, CrmServer, accepts
from examples.planning_agent.vendors import CATEGORIES

TODAY = date(2026, 11, 21)
CrmThat = Callable[[Behaviour], CrmServer]


@pytest.fixture
def crm(crm_that: CrmThat) -> CrmServer:
    return crm_that(accepts)


def plan(crm: CrmServer, number: int = 0, **changes: Any) -> PlanningState:
    client = CLIENTS[number]
    request = {**client.plan_request(TODAY), **changes}
    return run_plan(request, CrmClient(crm.url, token="t"), today=TODAY, selects_rank=client.selects_rank)


def types(state: PlanningState) -> list[str]:
    return [record["message_type"] for record in state["communications"]]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_each_node_leaves_its_part_in_the_planners_shapes(crm: CrmServer, number: int) -> None:
    state = plan(crm, number)
    budget, guests = state["request"]["budget"], state["request"]["guest_count"]

    assert len(state["budget_allocations"]) == 3
    for allocation in state["budget_allocations"]:
        assert allocation.keys() == BudgetAllocation.__annotations__.keys()
        parts = [value for name, value in allocation.items() if name.endswith("_budget")]
        assert sum(parts) == allocation["total_allocated"] == budget
    assert state["present_options"] is True
    assert [each["rank"] for each in state["vendor_combinations"]] == [1, 2, 3]
    assert len({each["combination_id"] for each in state["vendor_combinations"]}) == 3
    for combination in state["vendor_combinations"]:
        assert combination.keys() == VendorCombination.__annotations__.keys()
        assert tuple(combination["vendors"]) == CATEGORIES
        costs = [vendor["cost"] for vendor in combination["vendors"].values()]
        assert all(v.keys() == ChosenVendor.__annotations__.keys() for v in combination["vendors"].values())
        assert sum(costs) == combination["total_cost"] <= budget
        assert 0 < combination["fitness_score"] <= 1
    scores = [each["fitness_score"] for each in state["vendor_combinations"]]
    assert scores == sorted(scores, reverse=True)
    chosen = state["vendor_combinations"][CLIENTS[number].selects_rank - 1]
    assert state["selected_combination"] == chosen
    for said in (f"{guests} guests", *(vendor["name"] for vendor in chosen["vendors"].values())):
        assert said in state["final_blueprint"]
    assert state["error_occurred"] is False
    assert state["workflow_status"] == "completed"


def test_the_state_holds_what_the_crm_answered(crm: CrmServer) -> None:
    """WF-7."""
    state = plan(crm)

    assert types(state) == [
        "welcome",
        "budget_summary",
        "vendor_options",
        "selection_confirmation",
        "blueprint_delivery",
    ]
    for number, record in enumerate(state["communications"]):
        assert record.keys() == CommunicationRecord.__annotations__.keys()
        assert record["communication_id"] == f"communication-{number}"
        assert record["status"] == "scheduled"
        assert record["reasons"] == [{"code": "detailed_email_first", "text": "E-mail goes first."}]
    newest = datetime.fromisoformat(state["last_communication_at"])
    assert newest == datetime(2026, 11, 21, 3, 34, tzinfo=UTC)
    assert state["pending_client_action"] is None
    assert state["run_id"]
    assert len(set(state["checkpoint_ids"])) == len(state["checkpoint_ids"]) >= 6


def test_each_message_carries_the_base_context_and_its_own_part(crm: CrmServer) -> None:
    state = plan(crm)

    contents = {asked.body["message_type"]: asked.body["context"] for asked in crm.asked}
    base = contents["welcome"]
    assert base == {
        "client_name": "Priya Sharma",
        "client_email": "priya.sharma@clients.example",
        "client_phone": "+919812345678",
        "event_type": "wedding",
        "event_date": "2027-06-19",
        "guest_count": 250,
        "budget": 2_500_000,
        "currency": "INR",
        "location": "Jaipur, India",
    }
    assert contents["budget_summary"] == {**base, "budget_allocations": state["budget_allocations"]}
    assert contents["vendor_options"] == {**base, "vendor_combinations": state["vendor_combinations"]}
    assert contents["selection_confirmation"] == {
        **base,
        "selected_combination": state["selected_combination"],
    }
    assert contents["blueprint_delivery"] == {**base, "final_blueprint": state["final_blueprint"]}
    assert all(asked.path == "/api/crm/communications" for asked in crm.asked)
    assert all(asked.body["client"]["timezone"] == "Asia/Kolkata" for asked in crm.asked)


def test_a_second_run_asks_for_the_very_same_and_gets_duplicates(crm: CrmServer) -> None:
    first, second = plan(crm), plan(crm)

    assert first["run_id"] != second["run_id"]
    assert [record["duplicate"] for record in first["communications"]] == [False] * 5
    assert [record["duplicate"] for record in second["communications"]] == [True] * 5
    half = len(crm.asked) // 2
    assert [asked.body for asked in crm.asked[:half]] == [asked.body for asked in crm.asked[half:]]
    keys = [asked.headers["Idempotency-Key"] for asked in crm.asked]
    assert keys[:half] == keys[half:]
    assert len(set(keys)) == half


def test_other_content_has_another_key(crm: CrmServer) -> None:
    plan(crm)
    plan(crm, budget=2_600_000)

    keys = [asked.headers["Idempotency-Key"] for asked in crm.of_type("budget_summary")]
    assert len(set(keys)) == 2


def test_no_run_id_or_checkpoint_reaches_the_crm(crm: CrmServer) -> None:
    """A repeat is told by its content."""
    state = plan(crm)

    sent = json.dumps([asked.body for asked in crm.asked])
    assert state["run_id"] not in sent
    assert not any(checkpoint in sent for checkpoint in state["checkpoint_ids"])


def test_without_an_answer_it_stops_where_the_client_has_to_choose(crm: CrmServer) -> None:
    request = CLIENTS[0].plan_request(TODAY)
    state = run_plan(request, CrmClient(crm.url, token="t"), today=TODAY)

    assert types(state) == ["welcome", "budget_summary", "vendor_options"]
    assert state["workflow_status"] == "awaiting_client"
    assert state["pending_client_action"] == "select_combination"
    assert state["present_options"] is True
    assert "selected_combination" not in state


def test_no_vendor_fits_and_the_client_is_told_that_something_went_wrong(crm: CrmServer) -> None:
    """WF-6: the error branch."""
    state = plan(crm, 3)

    assert state["workflow_status"] == "failed"
    assert state["error_occurred"] is True
    assert state["error_message"] == (
        "beam_search_node: no venue in Auckland, New Zealand for 40 guests within 4,800 NZD; "
        "the cheapest asks 8,400"
    )
    assert types(state) == ["welcome", "budget_summary", "error_notification"]
    content = crm.of_type("error_notification")[0].body["context"]
    assert content["error_occurred"] is True
    assert content["error_message"] == state["error_message"]
    assert state["pending_client_action"] is None


def test_a_choice_that_was_not_presented_ends_in_the_error_branch(crm: CrmServer) -> None:
    request = CLIENTS[0].plan_request(TODAY)
    state = run_plan(request, CrmClient(crm.url, token="t"), today=TODAY, selects_rank=9)

    assert state["workflow_status"] == "failed"
    assert state["error_message"].startswith("client_selection: the client's choice is none")
    assert types(state)[-1] == "error_notification"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"event_date": "2026-11-21"}, "is not ahead"),
        ({"guest_count": 0}, "more than nothing"),
        ({"budget": 0}, "more than nothing"),
    ],
)
def test_nothing_to_plan_ends_in_the_error_branch_at_once(
    crm: CrmServer, changes: dict[str, Any], said: str
) -> None:
    state = plan(crm, **changes)

    assert types(state) == ["error_notification"]
    assert state["error_message"].startswith("initialize_planning: ")
    assert said in state["error_message"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"location": "Atlantis"}, "no vendors are known in Atlantis"),
        ({"guest_count": 900}, "none has the room"),
        ({"budget": 20_000}, "no venue in Jaipur, India for 250 guests within 8,000 INR"),
    ],
)
def test_the_search_says_what_is_missing(changes: dict[str, Any], said: str) -> None:
    request = {**CLIENTS[0].plan_request(TODAY), **changes}

    with pytest.raises(PlanningFailed, match=said):
        search_combinations(request, allocate_budget(request)[0])
