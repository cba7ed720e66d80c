"""What planners send."""

from uuid import uuid4


def a_body(**changes):
    """A welcome for a new client in Kolkata, critical so that no window holds it. A value `...` leaves out."""
    unique = uuid4().hex[:12]
    body = {
        "plan_id": f"plan-{unique}",
        "client_id": f"client-{unique}",
        "message_type": "welcome",
        "context": {"client_name": "Priya Sharma", "event_type": "wedding", "event_date": "2035-12-15"},
        "urgency": "critical",
        "client": {"email": f"priya.{unique}@example.com", "timezone": "Asia/Kolkata"},
        **changes,
    }
    return {name: value for name, value in body.items() if value is not ...}
