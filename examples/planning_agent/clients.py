"""Four clients in four time zones who have an event planned. None of them exists."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from examples.planning_agent.state import PlanRequest


@dataclass(frozen=True)
class ExampleClient:
    """A client, how many days ahead the event lies, and which of the presented combinations is chosen (by rank)."""

    request: PlanRequest
    days_ahead: int
    selects_rank: int

    def plan_request(self, today: date) -> PlanRequest:
        event_date = today + timedelta(days=self.days_ahead)
        return {**self.request, "event_date": event_date.isoformat()}


CLIENTS: Final = (
    ExampleClient(
        {
            "plan_id": "demo-plan-priya-wedding",
            "client_id": "demo-client-priya",
            "client_name": "Priya Sharma",
            "client_email": "priya.sharma@clients.example",
            "client_phone": "+919812345678",
            "timezone": "Asia/Kolkata",
            "event_type": "wedding",
            "event_date": "",
            "guest_count": 250,
            "budget": 2_500_000,
            "currency": "INR",
            "location": "Jaipur, India",
        },
        days_ahead=210,
        selects_rank=1,
    ),
    ExampleClient(
        {
            "plan_id": "demo-plan-giulia-anniversary",
            "client_id": "demo-client-giulia",
            "client_name": "Giulia Conti",
            "client_email": "giulia.conti@clients.example",
            "timezone": "Europe/Rome",
            "event_type": "anniversary",
            "event_date": "",
            "guest_count": 60,
            "budget": 18_000,
            "currency": "EUR",
            "location": "Rome, Italy",
        },
        days_ahead=150,
        selects_rank=2,
    ),
    ExampleClient(
        {
            "plan_id": "demo-plan-marcus-gala",
            "client_id": "demo-client-marcus",
            "client_name": "Marcus Bell",
            "client_email": "marcus.bell@clients.example",
            "client_phone": "+12125550123",
            "timezone": "America/New_York",
            "event_type": "corporate gala",
            "event_date": "",
            "guest_count": 180,
            "budget": 95_000,
            "currency": "USD",
            "location": "New York, USA",
        },
        days_ahead=120,
        selects_rank=1,
    ),
    # No venue of hers takes 40 guests for what she wants to spend, so her plan ends with an error.
    ExampleClient(
        {
            "plan_id": "demo-plan-aroha-birthday",
            "client_id": "demo-client-aroha",
            "client_name": "Aroha Ngata",
            "client_email": "aroha.ngata@clients.example",
            "client_phone": "+64211234567",
            "timezone": "Pacific/Auckland",
            "event_type": "birthday",
            "event_date": "",
            "guest_count": 40,
            "budget": 12_000,
            "currency": "NZD",
            "location": "Auckland, New Zealand",
        },
        days_ahead=180,
        selects_rank=1,
    ),
)
