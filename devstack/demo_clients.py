"""Whom the demo writes to: four clients in four time zones, in the planning agent's own shape."""

from datetime import date, timedelta
from typing import Any

_CLIENTS: tuple[dict[str, Any], ...] = (
    {
        "client_id": "demo-client-priya",
        "plan_id": "demo-plan-priya-wedding",
        "timezone": "Asia/Kolkata",
        "days_ahead": 210,
        "context": {
            "client_name": "Priya Sharma",
            "client_email": "priya.sharma@clients.example",
            "client_phone": "+919812345678",
            "event_type": "wedding",
            "guest_count": 250,
            "budget": 2_500_000,
            "currency": "INR",
            "location": "Jaipur, India",
        },
    },
    {
        "client_id": "demo-client-giulia",
        "plan_id": "demo-plan-giulia-anniversary",
        "timezone": "Europe/Rome",
        "days_ahead": 150,
        "context": {
            "client_name": "Giulia Conti",
            "client_email": "giulia.conti@clients.example",
            "event_type": "anniversary",
            "guest_count": 60,
            "budget": 18_000,
            "currency": "EUR",
            "location": "Rome, Italy",
        },
    },
    {
        "client_id": "demo-client-marcus",
        "plan_id": "demo-plan-marcus-gala",
        "timezone": "America/New_York",
        "days_ahead": 120,
        "context": {
            "client_name": "Marcus Bell",
            "client_email": "marcus.bell@clients.example",
            "client_phone": "+12125550123",
            "event_type": "corporate gala",
            "guest_count": 180,
            "budget": 95_000,
            "currency": "USD",
            "location": "New York, USA",
        },
    },
    {
        "client_id": "demo-client-aroha",
        "plan_id": "demo-plan-aroha-birthday",
        "timezone": "Pacific/Auckland",
        "days_ahead": 180,
        "context": {
            "client_name": "Aroha Ngata",
            "client_email": "aroha.ngata@clients.example",
            "event_type": "birthday",
            "guest_count": 40,
            "budget": 12_000,
            "currency": "NZD",
            "location": "Auckland, New Zealand",
        },
    },
)


def welcome_requests(today: date) -> list[dict[str, Any]]:
    """One body for `POST communications` per client; the events lie well ahead of `today`."""
    requests = []
    for client in _CLIENTS:
        event_date = today + timedelta(days=client["days_ahead"])
        context = {**client["context"], "event_date": event_date.isoformat()}
        person = {
            "name": context["client_name"],
            "email": context["client_email"],
            "timezone": client["timezone"],
        }
        if "client_phone" in context:
            person["phone"] = context["client_phone"]
        requests.append(
            {
                "plan_id": client["plan_id"],
                "client_id": client["client_id"],
                "message_type": "welcome",
                "context": context,
                "client": person,
            }
        )
    return requests
