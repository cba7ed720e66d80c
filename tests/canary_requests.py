"""Requests with made-up personal data in every field, right and wrong."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.canaries import Canaries
from tests.running_stack import Answer

TYPES = (
    "welcome",
    "budget_summary",
    "vendor_options",
    "selection_confirmation",
    "blueprint_delivery",
    "error_notification",
    "reminder",
    "timeline_update",
    "task_update",
    "custom",
)
_numbers = count(1)


@dataclass
class Told:
    """What was sent (`canaries`), each answer with the statuses that were right, and what was seen on the way."""

    canaries: Canaries
    credentials: dict[str, str] = field(default_factory=dict)
    exchanges: list[tuple[str, set[int], Answer]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    journal: bytes = b""
    mailed: list[str] = field(default_factory=list)
    survivor: dict[str, Any] = field(default_factory=dict)

    def note(self, what: str, expected: set[int], answer: Answer) -> Answer:
        self.exchanges.append((what, expected, answer))
        return answer


def a_file(words: str) -> str:
    """A PDF that says so, in base64."""
    return b64encode(f"%PDF-1.7\n% {words}\n%%EOF\n".encode()).decode()


def body_of(canaries: Canaries, where: str, message_type: str = "welcome", **changes: Any) -> dict[str, Any]:
    """A request that is accepted and sent at once, with a canary in every field that may hold one."""
    number, c = next(_numbers), canaries
    name, address, phone = c.name(where), c.email(f"{where}: address"), c.phone(f"{where}: phone")
    context = {
        "client_name": name,
        "client_email": address,
        "client_phone": phone,
        "recipient_email": c.email(f"{where}: recipient_email"),
        "recipient_phone": c.phone(f"{where}: recipient_phone"),
        "event_type": c.text(f"{where}: event_type"),
        "event_date": "2031-05-17",
        "guest_count": 120,
        "budget": c.number(f"{where}: budget"),
        "location": c.text(f"{where}: location"),
        "message": c.text(f"{where}: message"),
        "next_steps": [c.text(f"{where}: next step"), c.text(f"{where}: next step")],
        "timeline": c.text(f"{where}: timeline"),
        "final_blueprint": f"# {c.text(f'{where}: blueprint')}",
        "error_message": c.text(f"{where}: error_message"),
        "vendor_combinations": [{"vendors": {"venue": {"name": c.text(f"{where}: venue")}}}],
        c.word(f"{where}: name of a variable"): {c.word(f"{where}: inner name"): [c.text(f"{where}: inner")]},
    }
    if message_type == "budget_summary":
        context["budget_strategies"] = [
            {"name": c.text(f"{where}: strategy"), "breakdown": {c.word(f"{where}: category"): 5}}
        ]
    if message_type == "selection_confirmation":
        context["selected_combination"] = context["vendor_combinations"][0]
    person = {"name": name, "email": address, "phone": phone, "timezone": "Asia/Kolkata"}
    body = {
        "plan_id": f"leak-plan-{number}",
        "client_id": f"leak-client-{number}",
        "message_type": message_type,
        "urgency": "critical",
        "preferred_channel": "email",
        "context": context,
        "client": person,
        "dedup_key": c.text(f"{where}: dedup_key"),
        "attachments": [
            {"filename": c.text(f"{where}: file"), "content_base64": a_file(c.text(f"{where}: in a file"))}
        ],
    }
    return body | changes


def field_paths(body: dict[str, Any]) -> list[tuple[str, ...]]:
    """The fields with names of ours: of the request, of its client and of its context."""
    below = [(name, inner) for name in ("client", "context") for inner in body[name]]
    return [(name,) for name in body] + [path for path in below if not path[1].startswith("kanari")]


def wrong_values_for(canaries: Canaries, where: str) -> Iterator[Any]:
    text = canaries.text(f"wrong {where}")
    yield text
    yield canaries.email(f"wrong {where}")
    yield canaries.phone(f"wrong {where}")
    yield [text, {canaries.word(f"wrong {where}, a name"): text}]
    yield {canaries.word(f"wrong {where}, a name"): text}
    yield canaries.number(f"wrong {where}")


def refused_fields(canaries: Canaries) -> Iterator[dict[str, Any]]:
    text = canaries.text
    yield {canaries.word("an unknown field"): text("the value of an unknown field")}
    yield {canaries.email("an unknown field"): text("the value of an unknown field")}
    yield {"attachments": [{"filename": text("filename"), "content_base64": canaries.word("content")}]}
    yield {"attachments": [{"url": f"https://{canaries.word('host')}.example/{canaries.word('path')}"}]}
    yield {"client_id": canaries.email("client_id")}
    yield {"client_id": canaries.phone("client_id").removeprefix("+")}
    yield {"supersede": text("supersede")}
    yield {"send_at": text("send_at"), "deliver_by": text("deliver_by")}
    yield {"preferred_channel": text("preferred_channel"), "expects_response": text("expects_response")}
