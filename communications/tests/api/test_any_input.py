"""Whatever JSON comes in: an answer that the API promises, never a 500 (API-1)."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from communications.tests.api.bodies import a_body
from core.scopes import Scope
from core.tests.api.callers import service

PATH = "/api/crm/communications"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ready")]
# The fixtures stay the same for all examples: rows that pile up do no harm here.
bounded = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(
        ["", "unknown", "2026-02-30", "2026-12-15T00:00:00Z", "a@b", "+91", "{{ x }}", "</p>", "'"]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
FIELDS = sorted(
    {
        *a_body(),
        "preferred_channel",
        "dedup_key",
        "supersede",
        "send_at",
        "deliver_by",
        "expects_response",
        "attachments",
    }
)
CONTEXT = [
    "client_name",
    "client_email",
    "recipient_phone",
    "event_type",
    "event_date",
    "guest_count",
    "budget",
]
CONTEXT += ["location", "plan_id", "next_steps", "estimated_timeline", "message"]
CLIENT = ["name", "email", "phone", "timezone", "whatsapp_opt_in"]


def assert_promised(response):
    assert response.status_code in {200, 202, 400, 409, 422}, response.content[:300]
    assert response["Content-Type"] in {"application/json", "application/problem+json"}


@bounded
@given(field=st.sampled_from(FIELDS), value=values)
def test_any_value_in_any_field(field, value):
    assert_promised(service(Scope.WRITE).post(PATH, a_body(**{field: value})))


@bounded
@given(
    field=st.sampled_from(CONTEXT),
    value=values,
    message_type=st.sampled_from(["welcome", "custom", "reminder"]),
)
def test_any_value_in_the_context(field, value, message_type):
    body = a_body(message_type=message_type)
    body["context"][field] = value
    assert_promised(service(Scope.WRITE).post(PATH, body))


@bounded
@given(field=st.sampled_from(CLIENT), value=values)
def test_any_value_in_the_client_data(field, value):
    body = a_body()
    body["client"][field] = value
    assert_promised(service(Scope.WRITE).post(PATH, body))


@bounded
@given(body=values)
def test_any_body(body):
    assert_promised(service(Scope.WRITE).post(PATH, body))


@bounded
@given(
    name=st.sampled_from(
        [
            "plan_id",
            "client_id",
            "channel",
            "status",
            "start_date",
            "end_date",
            "q",
            "limit",
            "offset",
            "cursor",
        ]
    ),
    value=st.text(max_size=40) | st.sampled_from(["0", "-1", "1e3", "2026-02-30", "٣", "%", "\\", "a:b:c"]),
)
def test_any_value_in_a_query(name, value):
    response = service(Scope.READ).get(PATH, {name: value})
    assert response.status_code in {200, 422}, response.content[:300]
