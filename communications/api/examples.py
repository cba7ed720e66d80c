"""Examples for the schema. The people in them do not exist."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

_REQUEST_ID = "6f1c2a34-8f5e-4a77-9d52-0c3f1f6f7a10"
_COMMUNICATION_ID = "b3d0f6c2-5f0e-4f0c-8a3b-2f7f0c6f9e21"
_PLAN = "550e8400-e29b-41d4-a716-446655440000"
_CLIENT = "660e8400-e29b-41d4-a716-446655440000"
_STRATEGY: dict[str, Any] = {
    "channels": ["email"],
    "priority": 5,
    "content_type": "detailed",
    "batch_key": None,
    "fallbacks": [],
    "reasons": [{"code": "detailed_email_first", "text": "E-mail goes first: the content is detailed."}],
}
_LINE: dict[str, Any] = {
    "communication_id": _COMMUNICATION_ID,
    "request_id": _REQUEST_ID,
    "plan_id": _PLAN,
    "client_id": _CLIENT,
    "message_type": "welcome",
    "channel": "email",
    "role": "primary",
    "status": "sent",
    "subject": "Welcome, Priya",
    "preview": "What happens next with your wedding",
    "urgency": "normal",
    "priority": 5,
    "created_at": "2026-11-02T09:00:00Z",
    "scheduled_at": "2026-11-02T09:00:00Z",
    "sent_at": "2026-11-02T09:00:01Z",
    "delivered_at": None,
    "opened_at": None,
    "clicked_at": None,
    "responded_at": None,
    "failed_at": None,
    "error_message": None,
    "degraded": None,
    "retry_count": 0,
    "open_count": 0,
    "click_count": 0,
    "digest": None,
}

REQUEST = [
    OpenApiExample(
        "A welcome",
        {
            "plan_id": _PLAN,
            "client_id": _CLIENT,
            "message_type": "welcome",
            "context": {"client_name": "Priya Sharma", "event_type": "wedding", "event_date": "2026-12-15"},
            "client": {"email": "priya@example.com", "timezone": "Asia/Kolkata"},
        },
        request_only=True,
    ),
    OpenApiExample(
        "Accepted",
        {
            "request_id": _REQUEST_ID,
            "duplicate": False,
            "communication_id": _COMMUNICATION_ID,
            "status": "scheduled",
            "channel_used": "email",
            "scheduled_at": "2026-11-02T09:00:00Z",
            "sent_at": None,
            "delivered_at": None,
            "error_message": None,
            "communications": [
                {
                    "communication_id": _COMMUNICATION_ID,
                    "channel": "email",
                    "role": "primary",
                    "status": "scheduled",
                    "scheduled_at": "2026-11-02T09:00:00Z",
                }
            ],
            "strategy": _STRATEGY,
            "metadata": {"subject": "Welcome, Priya", "recipient": "p•••@example.com"},
        },
        response_only=True,
        status_codes=["202"],
    ),
    OpenApiExample(
        "A field is wrong",
        {
            "type": "urn:crm:problem:invalid",
            "title": "Unprocessable Entity",
            "status": 422,
            "detail": "Some fields are not valid.",
            "instance": "/api/crm/communications",
            "code": "invalid",
            "errors": [
                {"field": "client_id", "code": "stands_for_nobody", "message": "This stands for no client."}
            ],
        },
        response_only=True,
        status_codes=["422"],
        media_type="application/problem+json",
    ),
]
HISTORY = [
    OpenApiExample(
        "The last page",
        {
            "total": 1,
            "total_is_capped": False,
            "limit": 50,
            "offset": 0,
            "next": None,
            "communications": [_LINE],
        },
        response_only=True,
        status_codes=["200"],
    )
]
DETAIL = [
    OpenApiExample(
        "A welcome that was sent",
        {
            **_LINE,
            "content": {"subject": _LINE["subject"], "preview": _LINE["preview"], "text": "Dear Priya, …"},
            "context": {"client_name": "Priya Sharma"},
            "strategy": _STRATEGY,
            "attempts": [],
            "events": [],
            "attachments": [],
            "delivery_logs": [],
            "resent_from": None,
            "resent_as": None,
            "members": [],
        },
        response_only=True,
        status_codes=["200"],
    )
]
PREVIEW = [
    OpenApiExample(
        "A welcome, late in the evening",
        {
            "plan_id": _PLAN,
            "client_id": _CLIENT,
            "message_type": "welcome",
            "context": {"client_name": "Priya Sharma"},
            "client": {"email": "priya@example.com", "timezone": "Asia/Kolkata"},
            "now": "2026-11-02T22:00:00+05:30",
        },
        request_only=True,
    ),
    OpenApiExample(
        "Held until morning",
        {
            "send": True,
            "deliveries": [
                {
                    "channel": "email",
                    "role": "primary",
                    "send_at": "2026-11-03T03:30:00Z",
                    "send_at_local": "2026-11-03T09:00:00+05:30",
                    "content_type": "detailed",
                    "priority": 5,
                }
            ],
            "fallbacks": [],
            "batch_key": None,
            "reasons": [
                *_STRATEGY["reasons"],
                {
                    "code": "contact_window",
                    "text": "Held until 09:00 Asia/Kolkata: outside the contact window, 09:00 to 21:00.",
                },
            ],
        },
        response_only=True,
        status_codes=["200"],
    ),
]
EXPLANATION = [
    OpenApiExample(
        "A welcome that was sent",
        {
            "communication_id": _COMMUNICATION_ID,
            "status": "sent",
            "story": [
                "We chose e-mail because the message is detailed.",
                "Nothing held it back: it went out at 14:30:01 on Mon 2 November in Kolkata and was accepted by the "
                "mail server.",
            ],
            "next": "Nothing more is planned for this message. A mail server tells us no more than this.",
            "action": "",
            "reasons": _STRATEGY["reasons"],
        },
        response_only=True,
        status_codes=["200"],
    )
]
BULK = [
    OpenApiExample(
        "A welcome and a line that is wrong",
        {
            "accepted": 1,
            "duplicates": 0,
            "refused": 1,
            "results": [
                {
                    "index": 0,
                    "status": 202,
                    "request_id": _REQUEST_ID,
                    "duplicate": False,
                    "communications": [
                        {
                            "communication_id": _COMMUNICATION_ID,
                            "channel": "email",
                            "role": "primary",
                            "status": "scheduled",
                            "scheduled_at": "2026-11-02T09:00:00Z",
                        }
                    ],
                },
                {
                    "index": 1,
                    "status": 400,
                    "problem": {
                        "type": "urn:crm:problem:invalid_json",
                        "title": "Bad Request",
                        "status": 400,
                        "detail": "Line 2 cannot be read. This is not JSON: see line 1, column 1.",
                        "instance": "/api/crm/communications/bulk",
                        "code": "invalid_json",
                    },
                },
            ],
        },
        response_only=True,
        status_codes=["200"],
    )
]
_ACTED: dict[str, Any] = {
    "communication_id": _COMMUNICATION_ID,
    "request_id": _REQUEST_ID,
    "status": "scheduled",
    "channel": "email",
    "scheduled_at": "2026-11-02T09:00:00Z",
    "cancel_requested": False,
    "resent_from": None,
}


def _refused(code: str, detail: str, action: str) -> OpenApiExample:
    return OpenApiExample(
        "Not possible now",
        {
            "type": f"urn:crm:problem:{code}",
            "title": "Conflict",
            "status": 409,
            "detail": detail,
            "instance": f"/api/crm/communications/{_COMMUNICATION_ID}/{action}",
            "code": code,
        },
        response_only=True,
        status_codes=["409"],
        media_type="application/problem+json",
    )


CANCEL = [
    OpenApiExample("Cancelled", {**_ACTED, "status": "cancelled"}, response_only=True, status_codes=["200"]),
    OpenApiExample(
        "It is being sent",
        {**_ACTED, "status": "sending", "cancel_requested": True},
        response_only=True,
        status_codes=["202"],
    ),
    _refused(
        "already_sent",
        "It went out and cannot be taken back. Resend sends it once more, as a new message.",
        "cancel",
    ),
]
RESEND = [
    OpenApiExample("It was in doubt", _ACTED, response_only=True, status_codes=["202"]),
    OpenApiExample(
        "It had arrived, so it is sent anew",
        {
            **_ACTED,
            "communication_id": "0b7a3c2e-93d1-4a27-8f0f-5f9b3c6f4a11",
            "request_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
            "resent_from": _COMMUNICATION_ID,
        },
        response_only=True,
        status_codes=["202"],
    ),
    _refused(
        "already_resent",
        "It was sent again already, as a new message. Look at that one.",
        "resend",
    ),
]
RETRY = [
    OpenApiExample("Back in the queue", _ACTED, response_only=True, status_codes=["202"]),
    _refused(
        "undeliverable",
        "E-mail is left out: the address or number cannot be delivered to. Correct the address or number first.",
        "retry",
    ),
]
