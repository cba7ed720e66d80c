from communications.models.communication import Communication
from communications.models.delivery import DeliveryAttempt, DeliveryEvent
from communications.models.idempotency import IdempotencyKey
from communications.models.request import CommunicationRequest
from communications.models.template import Template, TemplateVersion

__all__ = [
    "Communication",
    "CommunicationRequest",
    "DeliveryAttempt",
    "DeliveryEvent",
    "IdempotencyKey",
    "Template",
    "TemplateVersion",
]
