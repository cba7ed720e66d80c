"""The workflow's state, in the planning agent's own shapes."""

import operator
from typing import Annotated, NotRequired, TypedDict


class BudgetAllocation(TypedDict):
    """One way to divide the budget; whole units of the plan's currency, which add up to `total_allocated`."""

    allocation_id: str
    strategy: str
    venue_budget: int
    catering_budget: int
    photography_budget: int
    makeup_budget: int
    total_allocated: int


class ChosenVendor(TypedDict):
    """One vendor at what it costs for this event."""

    id: str
    name: str
    cost: int
    rating: float
    description: str


class VendorCombination(TypedDict):
    """`vendors` by category: venue, caterer, photographer, makeup_artist. `fitness_score` is 0 to 1."""

    rank: int
    combination_id: str
    fitness_score: float
    total_cost: int
    summary: str
    vendors: dict[str, ChosenVendor]


class Reason(TypedDict):
    code: str
    text: str


class CommunicationRecord(TypedDict):
    """What the CRM said about one message.

    `status` is the CRM's own word at that moment, or `not_sent`: nothing confirms that the CRM took the request,
    and `error` says why. Instants are ISO 8601 in UTC.
    """

    message_type: str
    status: str
    communication_id: str | None
    channel: str | None
    scheduled_at: str | None
    sent_at: str | None
    duplicate: bool
    reasons: list[Reason]
    error: str | None


class PlanRequest(TypedDict):
    """What a client asks for: the base context of every message. `event_date` is ISO 8601, the local day."""

    plan_id: str
    client_id: str
    client_name: str
    client_email: str
    client_phone: NotRequired[str]
    timezone: str
    event_type: str
    event_date: str
    guest_count: int
    budget: int
    currency: str
    location: str


class PlanningState(TypedDict, total=False):
    """`workflow_status`: planning, awaiting_client, completed or failed; it never depends on the CRM.

    `last_communication_at` is when the newest message went out or will, as the CRM said; `pending_client_action`
    is what the workflow waits for. `error_message` is for staff.
    """

    request: PlanRequest
    run_id: str
    checkpoint_ids: list[str]
    workflow_status: str
    budget_allocations: list[BudgetAllocation]
    vendor_combinations: list[VendorCombination]
    present_options: bool
    selected_combination: VendorCombination
    final_blueprint: str
    error_occurred: bool
    error_message: str
    communications: Annotated[list[CommunicationRecord], operator.add]
    last_communication_at: str
    pending_client_action: str | None
