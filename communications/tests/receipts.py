"""Messages that a provider took, and what it tells of them afterwards."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from clients.models import ContactPoint
from communications.choices import AttemptStatus, OutcomeClass, ReceiptKind, Status
from communications.models import Communication, CommunicationRequest, DeliveryAttempt
from communications.rules.receipts import ProviderReceipt
from communications.services.receipt_effects import process_due
from communications.services.receipts import receive
from communications.tests.factories import in_status
from core import clock

PROVIDER = "post"


def an_attempt(row: Communication, **changes: Any) -> DeliveryAttempt:
    """The next one of the communication, accepted a minute ago, to the client's address."""
    number = row.attempts.count() + 1
    Communication.objects.filter(id=row.id).update(attempt_count=number)
    attempt_id = uuid4()
    values: dict[str, Any] = {
        "id": attempt_id,
        "communication": row,
        "number": number,
        "channel": "email",
        "provider": PROVIDER,
        "contact_point": ContactPoint.objects.get(client_id=row.client_id, replaced_at__isnull=True),
        "lease_token": uuid4(),
        "delivery_status": AttemptStatus.ACCEPTED,
        "outcome_class": OutcomeClass.ACCEPTED,
        "outcome_code": "250 2.0.0",
        "message_id": f"<{attempt_id.hex}@planiva.example>",
        "provider_message_id": f"pm-{attempt_id.hex}",
        "started_at": clock.now() - timedelta(minutes=1),
    }
    return DeliveryAttempt.objects.create(**(values | changes))


def a_sent_message(status: Status = Status.SENT, *, fallbacks: tuple[str, ...] = ()) -> Communication:
    """With one attempt; no other channel is left for it unless one is named."""
    row = in_status(status)
    strategy = row.request.strategy | {"fallbacks": list(fallbacks)}
    CommunicationRequest.objects.filter(id=row.request_id).update(strategy=strategy)
    doubtful = status is Status.IN_DOUBT
    an_attempt(
        row,
        delivery_status=AttemptStatus.UNKNOWN if doubtful else AttemptStatus.ACCEPTED,
        outcome_class=OutcomeClass.AMBIGUOUS if doubtful else OutcomeClass.ACCEPTED,
        provider_message_id="" if doubtful else f"pm-{row.id.hex}",
    )
    return row


def told(kind: ReceiptKind, attempt: DeliveryAttempt | UUID | None, **changes: Any) -> ProviderReceipt:
    values: dict[str, Any] = {
        "provider": PROVIDER,
        "dedupe_key": uuid4().hex,
        "kind": kind,
        "attempt_id": attempt.id if isinstance(attempt, DeliveryAttempt) else attempt,
        "payload": {"event": kind.value, "said": "user@example.com: no such user"},
    }
    if kind in {ReceiptKind.BOUNCED, ReceiptKind.UNDELIVERED}:
        values |= {"outcome_class": OutcomeClass.RECIPIENT, "code": "550 5.1.1"}
    return ProviderReceipt(**(values | changes))


def hear(*receipts: ProviderReceipt) -> None:
    """Stored and processed together."""
    receive(receipts)
    process_due(actor="worker:a", now=clock.now())
