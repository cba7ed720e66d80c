"""Messages as they are in life, and at their edges: what the planning agent really sends, the least that is allowed,
and what is longer, stranger or more than anybody hoped for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from communications.agents.email import ComposedText, MessageFacts, compose_html, compose_text
from communications.choices import MessageType
from communications.models.template import TemplateVersion
from communications.services.templates import active_version
from communications.tests.templates.examples import facts
from core.choices import Channel
from examples.planning_agent.clients import CLIENTS
from examples.planning_agent.planning import allocate_budget, search_combinations
from examples.planning_agent.state import PlanRequest

TODAY = date(2026, 11, 21)
PRIYA: PlanRequest = CLIENTS[0].plan_request(TODAY)
GIULIA: PlanRequest = CLIENTS[1].plan_request(TODAY)
_ALLOCATIONS = allocate_budget(PRIYA)
_COMBINATIONS = search_combinations(PRIYA, _ALLOCATIONS[0])
_LONG = "Donaudampfschifffahrtsgesellschaftskapitänspatent"


@dataclass(frozen=True)
class Example:
    """`request` is whose plan it is; None: nothing is known but a name. `content` is what the type brings along."""

    name: str
    message_type: MessageType
    content: Mapping[str, Any] = field(default_factory=dict)
    request: PlanRequest | None = field(default_factory=lambda: PRIYA)
    template: str = ""
    client_name: str = ""

    def facts(self) -> MessageFacts:
        if self.request is None:
            return facts(
                self.message_type,
                client_name=self.client_name or "Arjun",
                event_type=None,
                event_date=None,
                variables=self.content,
            )
        base = {name: self.request[name] for name in ("guest_count", "budget", "location", "currency")}
        return facts(
            self.message_type,
            client_name=self.client_name or self.request["client_name"],
            event_type=self.request["event_type"],
            event_date=date.fromisoformat(self.request["event_date"]),
            zone=self.request["timezone"],
            variables=base | dict(self.content),
        )

    def version(self) -> TemplateVersion:
        version = active_version(self.template or self.message_type, Channel.EMAIL)
        assert version is not None
        return version

    def compose(self) -> tuple[ComposedText, str]:
        composed = compose_text(self.version(), self.facts())
        made = compose_html(self.version(), self.facts(), composed)
        assert made.html is not None
        return composed, made.html


def _pictured(combination: Mapping[str, Any]) -> dict[str, Any]:
    vendors = {
        category: {**vendor, "image": f"https://pictures.example/{vendor['id']}.jpg"}
        for category, vendor in combination["vendors"].items()
    }
    return {**combination, "vendors": vendors, "selection_url": "https://crm.planiva.example/s/abc"}


_STRATEGIES = [
    {
        "name": "Balanced",
        "description": "A little of everything, nothing left out.",
        "total": 18000,
        "breakdown": {"venue": 7200, "catering": 6480, "photography": 2520, "makeup": 1800},
        "recommended": True,
    },
    {
        "name": "The evening first",
        "total": 18000,
        "breakdown": {"venue": 8600, "catering": 5800, "photography": 2100},
    },
]
_CATEGORIES = ["venue", "catering", "flowers", "photography", "music", "stationery", "transport", _LONG]

EXAMPLES = (
    Example("welcome", MessageType.WELCOME),
    Example("welcome-sparse", MessageType.WELCOME, request=None),
    Example("budget-three", MessageType.BUDGET_SUMMARY, {"budget_allocations": _ALLOCATIONS}),
    Example("budget-two", MessageType.BUDGET_SUMMARY, {"budget_strategies": _STRATEGIES}, request=GIULIA),
    Example("budget-one", MessageType.BUDGET_SUMMARY, {"budget_allocations": _ALLOCATIONS[:1]}),
    Example(
        "budget-sparse",
        MessageType.BUDGET_SUMMARY,
        {"budget_strategies": [{"allocations": {"venue": 5}}]},
        request=None,
    ),
    Example(
        "budget-many",
        MessageType.BUDGET_SUMMARY,
        {
            "budget_strategies": [
                {"name": name, "total": 987654321, "allocations": dict.fromkeys(_CATEGORIES, 100000000)}
                for name in (_LONG, "Second", "Third")
            ]
        },
    ),
    Example("vendors", MessageType.VENDOR_OPTIONS, {"vendor_combinations": _COMBINATIONS}),
    Example(
        "vendors-pictures",
        MessageType.VENDOR_OPTIONS,
        {"vendor_combinations": [_pictured(each) for each in _COMBINATIONS]},
    ),
    Example("vendors-one", MessageType.VENDOR_OPTIONS, {"vendor_combinations": _COMBINATIONS[:1]}),
    Example(
        "vendors-list",
        MessageType.VENDOR_OPTIONS,
        {
            "vendors": [
                {"category": "venue", "name": "Villa dei Glicini", "price": 5800, "rating": 9.2},
                {
                    "category": "venue",
                    "name": "Terrazza Celio",
                    "price": 6900,
                    "description": "Roof terrace.",
                },
                {"category": "caterer", "name": "Tavola Lunga"},
            ],
            "selection_url": "https://crm.planiva.example/s/abc",
        },
        request=GIULIA,
    ),
    Example("vendors-sparse", MessageType.VENDOR_OPTIONS, {"vendors": [{"name": "Lotus"}]}, request=None),
    Example("selection", MessageType.SELECTION_CONFIRMATION, {"selected_combination": _COMBINATIONS[0]}),
    Example(
        "selection-sparse",
        MessageType.SELECTION_CONFIRMATION,
        {"selected_combination": ["Lotus Haveli"]},
        request=None,
    ),
    Example(
        "error",
        MessageType.ERROR_NOTIFICATION,
        {"error_occurred": True, "error_message": "beam_search_node: KeyError('canary-7f3a')"},
    ),
    Example(
        "error-explained",
        MessageType.ERROR_NOTIFICATION,
        {
            "client_explanation": "No venue in Auckland takes 40 guests within your budget.",
            "support_phone": "+91 98123 45678",
        },
    ),
    Example("error-sparse", MessageType.ERROR_NOTIFICATION, request=None),
    Example(
        "reminder",
        MessageType.REMINDER,
        {
            "waiting_for": "the vendors for your wedding",
            "reply_by": "2026-12-01",
            "action_url": "https://crm.planiva.example/s/abc",
            "action_label": "Look at the options",
        },
    ),
    Example("reminder-sparse", MessageType.REMINDER, request=None),
    Example(
        "timeline",
        MessageType.TIMELINE_UPDATE,
        {
            "changes": [
                {
                    "title": "Menu tasting",
                    "from": "2027-04-20",
                    "to": "2027-04-27",
                    "note": "The chef is away.",
                },
                {"title": "Guest list closes", "to": "2027-05-20"},
                "The rehearsal takes place in the garden.",
            ]
        },
    ),
    Example("timeline-sparse", MessageType.TIMELINE_UPDATE, request=None),
    Example(
        "task",
        MessageType.TASK_UPDATE,
        {"task": "Invitations printed", "status": "done", "due_date": "2027-01-15"},
    ),
    Example(
        "tasks",
        MessageType.TASK_UPDATE,
        {
            "tasks": [
                {"title": "Invitations printed", "status": "done"},
                {
                    "title": "Florist booked",
                    "status": "in_progress",
                    "due_date": "2027-01-15",
                    "owner": "Kavya",
                },
            ]
        },
    ),
    Example("task-sparse", MessageType.TASK_UPDATE, request=None),
    Example(
        "digest",
        MessageType.DIGEST,
        {
            "items": [
                {
                    "headline": "Invitations printed: done",
                    "paragraphs": ["A task has moved on.", "- Due Friday"],
                },
                {
                    "headline": "The timeline of your wedding has changed",
                    "paragraphs": ["Some dates have moved."],
                },
            ]
        },
    ),
    Example(
        "custom",
        MessageType.CUSTOM,
        {
            "subject": "Your tasting on Friday",
            "message": "Saffron Kitchen expects you on Friday at 14:00.\n\nBring <b>whoever</b> will decide with you.",
        },
    ),
    Example("custom-sparse", MessageType.CUSTOM, {"message": "Hello."}, request=None),
    Example("generic", MessageType.VENDOR_OPTIONS, template="generic"),
    Example(
        "hostile",
        MessageType.WELCOME,
        {"location": _LONG * 4, "next_steps": ["{{ x }}", "<script>alert(1)</script>", "पहला कदम"]},
        client_name="<img src=https://evil.example/x.png onerror=alert(1)>\"' {% if %}",
    ),
)
