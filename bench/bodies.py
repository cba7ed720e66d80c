"""What is asked for: requests as the planning agent sends them."""

from datetime import UTC, datetime
from typing import Any

NAMES = ("Priya Sharma", "Marcus Bell", "Ana García", "Wei Chen", "Fatima Noor")
_STEP = (
    "We look at your date, your guests and your wishes, and work out how the budget could be divided between the "
    "venue, the food, the photographs and the flowers, so that you can see what each choice would mean."
)
# So the built-in welcome comes to some 19 KB of HTML; the goals speak of 15.
_STEPS = 1


def noon_zone() -> str:
    """A zone where it is about noon now, so that no window of a client holds anything back while we measure."""
    east = round(12 - datetime.now(UTC).hour)
    return f"Etc/GMT{'-' if east >= 0 else '+'}{abs(east)}"


def a_body(number: int, *, urgency: str, prefix: str = "b") -> dict[str, Any]:
    """A request as the planning agent sends it, for a client, address and plan of its own."""
    return {
        "plan_id": f"{prefix}-plan-{number}",
        "client_id": f"{prefix}-client-{number}",
        "message_type": "welcome",
        "urgency": urgency,
        "context": {"client_name": NAMES[number % len(NAMES)], **a_context(number)},
        "client": {
            "name": NAMES[number % len(NAMES)],
            "email": f"{prefix}{number}@clients.example",
            "timezone": noon_zone(),
        },
    }


def a_context(number: int) -> dict[str, Any]:
    return {
        "event_type": "wedding",
        "event_date": "2035-12-15",
        "location": "Lake Palace, Udaipur",
        "guest_count": 180 + number % 50,
        "budget": 2_400_000 + number,
        "currency": "INR",
        "next_steps": [f"{step + 1}. {_STEP}" for step in range(_STEPS)],
    }
