"""Models of core; one file per table or pair of tables."""

from core.models.alert import AdminAlert
from core.models.attention import AttentionItem
from core.models.audit import AuditEntry
from core.models.clock import ClockOffset
from core.models.data_key import DataKey
from core.models.heartbeat import Heartbeat
from core.models.outbox import OutboxCursor, OutboxEvent
from core.models.service_account import ServiceAccount
from core.models.spool import SpooledEntry

__all__ = [
    "AdminAlert",
    "AttentionItem",
    "AuditEntry",
    "ClockOffset",
    "DataKey",
    "Heartbeat",
    "OutboxCursor",
    "OutboxEvent",
    "ServiceAccount",
    "SpooledEntry",
]
