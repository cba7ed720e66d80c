"""The audit log: who did what to what. References only; rows cannot be changed or deleted."""

from collections.abc import Mapping
from datetime import datetime

from core.impersonal import require_impersonal_details, require_impersonal_text
from core.models.audit import AuditEntry

JsonScalar = str | int | float | bool | None

# What details may say. Add a key only if no value of it can be personal.
DETAIL_KEYS = frozenset(
    {"attention_kind", "kind", "message_type", "occurrences", "reason", "scope", "scopes", "status", "value"}
)


def record(
    *, actor: str, action: str, target: str, details: Mapping[str, JsonScalar] | None = None, now: datetime
) -> AuditEntry:
    """Adds one entry, in the caller's transaction.

    `actor` and `target` are references like "staff:7" or "client:<uuid>"; `action` is a dotted verb like
    "client.erased". Raises ValueError when anything looks like an address or a key is not declared.
    """
    return AuditEntry.objects.create(
        occurred_at=now,
        actor=require_impersonal_text("actor", actor),
        action=require_impersonal_text("action", action),
        target=require_impersonal_text("target", target),
        details=require_impersonal_details(details, allowed_keys=DETAIL_KEYS),
    )
