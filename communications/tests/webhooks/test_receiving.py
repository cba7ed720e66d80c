"""What every webhook does, held against one of the least demands: a shared word in a header (SEC-7, REL-5)."""

import json
from uuid import uuid4

import pytest
from django.test import override_settings
from django.urls import path

from communications.choices import ReceiptKind, Status
from communications.models import Receipt
from communications.rules.receipts import ProviderReceipt
from communications.services.receipt_effects import process_due
from communications.services.receipts import receive
from communications.tests.receipts import a_sent_message, told
from communications.webhooks.receiving import WebhookView
from core import clock, spool
from core.api.strict_json import parse_json
from core.tests.api.callers import assert_problem, nobody
from core.tests.outages import database_away

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("templates", "mail_configured"),
]


class PostView(WebhookView):
    provider = "post"
    max_body_bytes = 2_000_000

    def is_authentic(self, request, body):
        return request.headers.get("X-Word") == "open sesame"

    def read(self, request, body):
        return [
            ProviderReceipt(
                provider=self.provider,
                dedupe_key=entry["id"],
                kind=ReceiptKind(entry["kind"]),
                provider_message_id=entry["message"],
                payload=entry,
            )
            for entry in parse_json(body)
        ]


urlpatterns = [path("api/crm/webhooks/post", PostView.as_view())]
handler500 = "core.api.problems.server_error"


@pytest.fixture(autouse=True)
def own_urls(settings):
    settings.CRM_SPOOL_NAME = f"test-{uuid4()}"
    with override_settings(ROOT_URLCONF=__name__):
        yield


def post(body, *, word="open sesame", raw=None):
    given = raw if raw is not None else json.dumps(body).encode()
    return nobody().post("/api/crm/webhooks/post/", raw=given, **{"X-Word": word})


def entry(row, kind=ReceiptKind.DELIVERED, **more):
    attempt = row.attempts.get()
    return {"id": uuid4().hex, "kind": kind.value, "message": attempt.provider_message_id, **more}


def process():
    process_due(actor="worker:a", now=clock.now())


def test_every_entry_is_stored_before_it_is_acknowledged():
    rows = [a_sent_message() for _ in range(3)]
    assert post([entry(row) for row in rows]).status_code == 204
    assert Receipt.objects.count() == 3
    process()
    for row in rows:
        row.refresh_from_db()
        assert row.status == Status.DELIVERED


def test_a_forged_call_stores_nothing():
    row = a_sent_message()
    assert_problem(post([entry(row)], word="guess"), 403, "permission_denied")
    assert not Receipt.objects.exists()


def test_a_call_without_a_body_is_forged_or_unread_but_no_error():
    assert_problem(nobody().client.post("/api/crm/webhooks/post"), 403, "permission_denied")


def test_a_body_that_is_too_large_is_refused():
    assert_problem(post(None, raw=b"x" * 2_000_001), 413, "too_large")


@pytest.mark.parametrize("raw", [b"", b"{", b"\x00\xff", b"[" * 5000], ids=["empty", "cut", "bytes", "deep"])
def test_what_cannot_be_read_is_kept_for_people(raw):
    assert post(None, raw=raw).status_code == 204
    assert Receipt.objects.get().kind == ReceiptKind.UNREAD


def test_in_an_outage_it_is_spooled_and_applied_afterwards():
    row = a_sent_message()
    told_once = [entry(row)]
    with database_away():
        assert post(told_once).status_code == 204
    assert not Receipt.objects.exists()
    assert spool.drain() == 1
    process()
    row.refresh_from_db()
    assert row.status == Status.DELIVERED
    post(told_once)
    assert Receipt.objects.count() == 1


def test_what_is_too_large_for_the_spool_has_to_be_told_again():
    large = [entry(a_sent_message(), more="x" * 1_500_000)]
    with database_away():
        answer = post(large)
    assert_problem(answer, 503, "unavailable")


def test_other_methods_are_refused():
    for method in ("GET", "PUT", "DELETE"):
        answer = nobody().client.generic(method, "/api/crm/webhooks/post", headers={"X-Word": "open sesame"})
        assert answer.status_code == 405, method


def test_the_times_of_a_receipt_outlive_the_spool():
    row = a_sent_message()
    at = clock.now()
    receipt = told(ReceiptKind.DELIVERED, row.attempts.get(), occurred_at=at)
    with database_away():
        receive([receipt])
    spool.drain()
    stored = Receipt.objects.get()
    assert abs((stored.occurred_at - at).total_seconds()) < 0.01
    assert stored.attempt_reference == receipt.attempt_id
