"""The workflow: each node does its part of the planning and has the client told about it (WF-1 to WF-6)."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final, cast
from uuid import uuid4

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, interrupt

from examples.planning_agent.crm import CrmClient, Message
from examples.planning_agent.planning import (
    PlanningFailed,
    allocate_budget,
    check_request,
    search_combinations,
    select_combination,
    write_blueprint,
)
from examples.planning_agent.state import PlanningState, PlanRequest

SELECT_COMBINATION: Final = "select_combination"
ERROR_NODE: Final = "error_handler"

Graph = CompiledStateGraph[PlanningState, None, PlanningState, PlanningState]


class PlanningNodes:
    """The nodes, each a step from one state to what changes in it. None of them waits for the CRM to be up."""

    def __init__(self, crm: CrmClient, *, today: date) -> None:
        self._crm = crm
        self._today = today

    def initialize_planning(self, state: PlanningState) -> PlanningState:
        try:
            check_request(state["request"], today=self._today)
        except PlanningFailed as failure:
            return _failed("initialize_planning", failure)
        update: PlanningState = {"workflow_status": "planning", "error_occurred": False}
        return {**update, **self._tell(state, "welcome", {})}

    def budget_allocation_node(self, state: PlanningState) -> PlanningState:
        allocations = allocate_budget(state["request"])
        update: PlanningState = {"budget_allocations": allocations}
        return {**update, **self._tell(state, "budget_summary", {"budget_allocations": allocations})}

    def beam_search_node(self, state: PlanningState) -> PlanningState:
        try:
            combinations = search_combinations(state["request"], state["budget_allocations"][0])
        except PlanningFailed as failure:
            return _failed("beam_search_node", failure)
        update: PlanningState = {
            "vendor_combinations": combinations,
            "present_options": True,
            "workflow_status": "awaiting_client",
            "pending_client_action": SELECT_COMBINATION,
        }
        return {**update, **self._tell(state, "vendor_options", {"vendor_combinations": combinations})}

    def client_selection(self, state: PlanningState) -> PlanningState:
        """Waits here until the client has chosen: the run stops, and goes on when it is resumed with the choice."""
        choice = interrupt(SELECT_COMBINATION)
        try:
            selected = select_combination(state["vendor_combinations"], choice)
        except PlanningFailed as failure:
            return _failed("client_selection", failure)
        update: PlanningState = {
            "selected_combination": selected,
            "workflow_status": "planning",
            "pending_client_action": None,
        }
        return {**update, **self._tell(state, "selection_confirmation", {"selected_combination": selected})}

    def blueprint_generation(self, state: PlanningState) -> PlanningState:
        blueprint = write_blueprint(state["request"], state["selected_combination"])
        update: PlanningState = {"final_blueprint": blueprint, "workflow_status": "completed"}
        return {**update, **self._tell(state, "blueprint_delivery", {"final_blueprint": blueprint})}

    def error_handler(self, state: PlanningState) -> PlanningState:
        content = {"error_occurred": True, "error_message": state["error_message"]}
        update: PlanningState = {"workflow_status": "failed", "pending_client_action": None}
        return {**update, **self._tell(state, "error_notification", content)}

    def _tell(self, state: PlanningState, message_type: str, content: Mapping[str, Any]) -> PlanningState:
        """What the CRM answered, as it goes into the state (WF-7)."""
        request = state["request"]
        record = self._crm.tell(_message(request, message_type, content))
        update: PlanningState = {"communications": [record]}
        instants = [state.get("last_communication_at"), record["sent_at"] or record["scheduled_at"]]
        newest = max((instant for instant in instants if instant), default=None)
        if newest is not None:
            update["last_communication_at"] = newest
        return update


def _message(request: PlanRequest, message_type: str, content: Mapping[str, Any]) -> Message:
    base = {
        name: value for name, value in request.items() if name not in {"plan_id", "client_id", "timezone"}
    }
    client = {
        "name": request["client_name"],
        "email": request["client_email"],
        "phone": request.get("client_phone"),
        "timezone": request["timezone"],
    }
    return Message(
        plan_id=request["plan_id"],
        client_id=request["client_id"],
        message_type=message_type,
        context={**base, **content},
        client={name: value for name, value in client.items() if value is not None},
    )


def _failed(node: str, failure: PlanningFailed) -> PlanningState:
    return {"error_occurred": True, "error_message": f"{node}: {failure}"}


def _next_or_error(following: str) -> Callable[[PlanningState], str]:
    return lambda state: ERROR_NODE if state.get("error_occurred") else following


def build_graph(crm: CrmClient, *, today: date) -> Graph:
    """The compiled workflow. It keeps checkpoints, because it stops where the client has to choose."""
    nodes = PlanningNodes(crm, today=today)
    steps = (
        nodes.initialize_planning,
        nodes.budget_allocation_node,
        nodes.beam_search_node,
        nodes.client_selection,
        nodes.blueprint_generation,
    )
    names = [step.__name__ for step in steps]
    graph = StateGraph(PlanningState)
    for name, step in zip(names, steps, strict=True):
        graph.add_node(name, step)
    graph.add_node(ERROR_NODE, nodes.error_handler)
    graph.add_edge(START, names[0])
    for name, following in zip(names, (*names[1:], END), strict=True):
        graph.add_conditional_edges(name, _next_or_error(following), [following, ERROR_NODE])
    graph.add_edge(ERROR_NODE, END)
    return graph.compile(checkpointer=InMemorySaver())


def run_plan(
    request: PlanRequest, crm: CrmClient, *, today: date, selects_rank: int | None = None
) -> PlanningState:
    """Runs the workflow for one client to its end, or, without a choice, to where the client has to choose.

    `selects_rank` stands for the client's answer. The CRM's state changes what is in `communications`, nothing else.
    """
    graph = build_graph(crm, today=today)
    run_id = str(uuid4())
    config: RunnableConfig = {"configurable": {"thread_id": run_id}}
    graph.invoke({"request": request, "run_id": run_id, "communications": []}, config)
    waiting = graph.get_state(config)
    if waiting.interrupts and selects_rank is not None:
        presented = {each["rank"]: each["combination_id"] for each in waiting.values["vendor_combinations"]}
        graph.invoke(Command(resume=presented.get(selects_rank, "")), config)
    state = cast(PlanningState, graph.get_state(config).values)
    checkpoints = [each.config["configurable"]["checkpoint_id"] for each in graph.get_state_history(config)]
    return {**state, "checkpoint_ids": checkpoints[::-1]}
