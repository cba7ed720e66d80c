from communications.models.attachment import Attachment, RequestAttachment
from communications.models.communication import Communication
from communications.models.delivery import DeliveryAttempt, DeliveryEvent
from communications.models.idempotency import IdempotencyKey
from communications.models.pause import SENDING_GATE_ID, Pause, SendingGate
from communications.models.queue import QueueEntry, QueueLease
from communications.models.receipt import Receipt
from communications.models.request import CommunicationRequest
from communications.models.template import Template, TemplateVersion

__all__ = [
    "SENDING_GATE_ID",
    "Attachment",
    "Communication",
    "CommunicationRequest",
    "DeliveryAttempt",
    "DeliveryEvent",
    "IdempotencyKey",
    "Pause",
    "QueueEntry",
    "QueueLease",
    "Receipt",
    "RequestAttachment",
    "SendingGate",
    "Template",
    "TemplateVersion",
]
