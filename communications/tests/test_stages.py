"""A plan goes on, and what it has passed is not sent (engine.md §Idempotency, WF-3)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from clients.models import Plan
from communications.choices import Cause, MessageType, Status
from communications.models import Communication, CommunicationRequest
from communications.services import lifecycle
from communications.services.commands import SubmitCommand
from communications.services.lifecycle import Transition
from communications.services.submit import submit
from communications.tests.conftest import NOON_IN_KOLKATA
from communications.tests.factories import a_command, budgets, combinations, lead_to, selected
from communications.tests.steps import story
from core.models import AttentionItem, AuditEntry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("smtp", "templates")]

BUDGET = budgets(250_000)
OPTIONS = combinations("c-1")
OTHER_OPTIONS = combinations("c-7")
SELECTED = selected("c-1")
LATER = NOON_IN_KOLKATA + timedelta(hours=1)


class Planner:
    """One client's planner."""

    def __init__(self) -> None:
        self.first = a_command()

    def says(
        self,
        message_type: MessageType,
        context: Mapping[str, Any] = {},
        *,
        now: datetime = NOON_IN_KOLKATA,
        **more: Any,
    ) -> Communication:
        command = SubmitCommand(
            plan_reference=self.first.plan_reference,
            client_reference=self.first.client_reference,
            message_type=message_type,
            context={**self.first.context, **context},
            urgency=self.first.urgency,
            client=self.first.client,
            **more,
        )
        self.last = submit(command=command, caller="service:planner", now=now)
        return Communication.objects.get(request_id=self.last.request_id)

    @property
    def stage(self) -> int:
        return Plan.objects.get(reference=self.first.plan_reference).stage


@pytest.fixture
def planner() -> Planner:
    return Planner()


def codes(row: Communication) -> list[str]:
    return [reason["code"] for reason in row.request.strategy["reasons"]]


def test_the_whole_graph_again_when_a_client_selects_sends_the_selection_alone(planner: Planner) -> None:
    """WF-3: the planner runs everything again, and its search finds other vendors this time."""
    first = [
        planner.says(MessageType.WELCOME),
        planner.says(MessageType.BUDGET_SUMMARY, BUDGET),
        planner.says(MessageType.VENDOR_OPTIONS, OPTIONS),
    ]
    for row in first:
        lead_to(row, Status.SENT)
    assert planner.stage == 3

    assert planner.says(MessageType.WELCOME, SELECTED, now=LATER) == first[0]
    assert planner.stage == 4
    assert planner.says(MessageType.BUDGET_SUMMARY, {**BUDGET, **SELECTED}, now=LATER) == first[1]
    assert planner.last.duplicate
    again = planner.says(MessageType.VENDOR_OPTIONS, {**OTHER_OPTIONS, **SELECTED}, now=LATER)
    assert not planner.last.duplicate
    assert (again.status, codes(again), story(again)) == (
        Status.CANCELLED,
        ["stage_passed"],
        [Cause.STAGE_PASSED],
    )
    confirmed = planner.says(MessageType.SELECTION_CONFIRMATION, SELECTED, now=LATER)
    assert confirmed.status == Status.SCHEDULED
    assert planner.stage == 4
    assert Communication.objects.filter(status=Status.SCHEDULED).count() == 1
    assert not AttentionItem.objects.exists()


def test_new_content_for_the_current_stage_replaces_what_is_unsent(planner: Planner) -> None:
    old = planner.says(MessageType.VENDOR_OPTIONS, OPTIONS)
    new = planner.says(MessageType.VENDOR_OPTIONS, OTHER_OPTIONS)
    old.refresh_from_db()
    assert (old.status, story(old)) == (Status.CANCELLED, [Cause.PLANNED, Cause.REPLACED])
    assert new.status == Status.SCHEDULED


def test_what_was_sent_stays_as_it_is_when_something_newer_comes(planner: Planner) -> None:
    old = planner.says(MessageType.VENDOR_OPTIONS, OPTIONS)
    lead_to(old, Status.SENT)
    planner.says(MessageType.VENDOR_OPTIONS, OTHER_OPTIONS)
    old.refresh_from_db()
    assert old.status == Status.SENT


def test_what_is_being_sent_is_asked_to_stop(planner: Planner) -> None:
    old = planner.says(MessageType.VENDOR_OPTIONS, OPTIONS)
    lead_to(old, Status.SENDING)
    planner.says(MessageType.VENDOR_OPTIONS, OTHER_OPTIONS)
    old.refresh_from_db()
    assert (old.status, old.cancel_requested) == (Status.SENDING, True)
    back = Transition(
        old.id, Status.SCHEDULED, Cause.NOT_CALLED, "worker:1", LATER, changes={"due_at": LATER}
    )
    lifecycle.apply([back], now=LATER)
    old.refresh_from_db()
    assert old.status == Status.CANCELLED


def test_a_selection_closes_the_question_that_still_waits(planner: Planner) -> None:
    asked = planner.says(MessageType.VENDOR_OPTIONS, OPTIONS)
    told = planner.says(MessageType.CUSTOM, {"message": "Thank you.", **SELECTED})
    asked.refresh_from_db()
    assert (asked.status, story(asked)[-1]) == (Status.CANCELLED, Cause.QUESTION_CLOSED)
    assert (told.status, planner.stage) == (Status.SCHEDULED, 4)
    # It was asked once, so it is not asked again.
    assert codes(planner.says(MessageType.VENDOR_OPTIONS, OTHER_OPTIONS)) == ["stage_passed"]


def test_a_repeat_that_tells_of_a_selection_closes_the_question_too(planner: Planner) -> None:
    planner.says(MessageType.WELCOME)
    asked = planner.says(MessageType.VENDOR_OPTIONS, OPTIONS)
    planner.says(MessageType.WELCOME, SELECTED)
    asked.refresh_from_db()
    assert planner.last.duplicate
    assert (asked.status, planner.stage) == (Status.CANCELLED, 4)


@pytest.mark.parametrize("nothing", [None, {}, ""])
def test_a_state_in_which_nothing_is_selected_yet_tells_of_no_selection(
    planner: Planner, nothing: Any
) -> None:
    planner.says(MessageType.WELCOME, {"selected_combination": nothing})
    assert planner.stage == 1


def test_a_welcome_that_waits_is_no_question_and_goes_although_the_plan_goes_on(planner: Planner) -> None:
    welcome = planner.says(MessageType.WELCOME)
    planner.says(MessageType.BUDGET_SUMMARY, BUDGET)
    welcome.refresh_from_db()
    assert welcome.status == Status.SCHEDULED


def test_what_a_plan_never_had_is_late_and_goes(planner: Planner) -> None:
    planner.says(MessageType.BUDGET_SUMMARY, BUDGET)
    assert planner.says(MessageType.WELCOME).status == Status.SCHEDULED
    assert planner.stage == 2


def test_what_failed_was_never_had(planner: Planner) -> None:
    welcome = planner.says(MessageType.WELCOME)
    lead_to(welcome, Status.FAILED)
    planner.says(MessageType.BUDGET_SUMMARY, BUDGET)
    assert planner.says(MessageType.WELCOME).status == Status.SCHEDULED


def test_supersede_sets_the_plan_back_and_replaces_what_is_unsent(planner: Planner) -> None:
    planner.says(MessageType.VENDOR_OPTIONS, OPTIONS)
    confirmed = planner.says(MessageType.SELECTION_CONFIRMATION, SELECTED)
    anew = planner.says(MessageType.VENDOR_OPTIONS, OTHER_OPTIONS, supersede=True)
    confirmed.refresh_from_db()
    assert (confirmed.status, story(confirmed)[-1]) == (Status.CANCELLED, Cause.REPLACED)
    assert (anew.status, planner.stage) == (Status.SCHEDULED, 3)
    entry = AuditEntry.objects.get(action="plan.superseded")
    assert (entry.target, entry.actor) == (f"plan:{anew.plan_id}", "service:planner")
    assert entry.details == {"message_type": "vendor_options", "stage": 3}


def test_repeating_a_supersede_sets_nothing_back_again(planner: Planner) -> None:
    planner.says(MessageType.SELECTION_CONFIRMATION, SELECTED)
    lead_to(planner.says(MessageType.VENDOR_OPTIONS, OPTIONS, supersede=True), Status.SENT)
    planner.says(MessageType.SELECTION_CONFIRMATION, selected("c-9"))
    planner.says(MessageType.VENDOR_OPTIONS, OPTIONS, supersede=True)
    assert planner.last.duplicate
    assert planner.stage == 4


def test_what_is_passed_holds_no_key(planner: Planner) -> None:
    planner.says(MessageType.BUDGET_SUMMARY, BUDGET)
    planner.says(MessageType.SELECTION_CONFIRMATION, SELECTED)
    other = budgets(300_000)
    for _ in range(2):
        assert codes(planner.says(MessageType.BUDGET_SUMMARY, other)) == ["stage_passed"]
    held = CommunicationRequest.objects.filter(message_type="budget_summary", holds_key=True)
    assert held.count() == 2
