"""Facts and drafts that the template tests share."""

from datetime import UTC, date, datetime
from typing import Any

from communications.agents.email import MessageFacts

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
NAME = [{"name": "client_name", "required": True}]
PLAN = "550e8400-e29b-41d4-a716-446655440000"


def facts(message_type: str = "welcome", **changes: Any) -> MessageFacts:
    given: dict[str, Any] = {
        "message_type": message_type,
        "client_name": "Priya Sharma",
        "plan_reference": PLAN,
        "zone": "Asia/Kolkata",
        "event_type": "wedding",
        "event_date": date(2026, 12, 15),
        "variables": {"guest_count": 250, "budget": 1500000, "location": "Taj Lands End, Mumbai"},
        "requested_at": NOW,
    }
    return MessageFacts(**(given | changes))


def mjml(body: str) -> str:
    """A whole document with `body` in its one column, on line 5."""
    return (
        "<mjml>\n<mj-body>\n<mj-section>\n<mj-column>\n"
        + body
        + "\n</mj-column>\n</mj-section>\n</mj-body>\n</mjml>"
    )


def draft(**changes: Any) -> dict[str, Any]:
    """What an author hands to `save_version`."""
    given: dict[str, Any] = {
        "name": "greeting",
        "channel": "email",
        "subject": "Hello {{ client_name }}",
        "preheader": "",
        "mjml": mjml("<mj-text>Hello {{ client_name }}</mj-text>"),
        "text": "Hello {{ client_name }}",
        "variables": NAME,
        "actor": "staff:1",
        "now": NOW,
    }
    return given | changes
