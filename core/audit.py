"""The audit log: who did what to what. References only; rows cannot be changed or deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.copying import copy_in
from core.impersonal import require_impersonal_details, require_impersonal_text
from core.models.audit import AuditEntry

JsonScalar = str | int | float | bool | None

# What details may say. Add a key only if no value of it can be personal.
DETAIL_KEYS = frozenset(
    {
        "attention_kind",
        "kind",
        "message_type",
        "occurrences",
        "origin",
        "reason",
        "scope",
        "scopes",
        "stage",
        "status",
        "value",
    }
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


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry to record; its parts are those of `record`."""

    action: str
    target: str
    details: Mapping[str, JsonScalar] = field(default_factory=dict)


def record_many(entries: Sequence[Entry], *, actor: str, now: datetime) -> None:
    """As `record` for each, in one statement; nothing is read back."""
    if not entries:
        return
    require_impersonal_text("actor", actor)
    for action in {entry.action for entry in entries}:
        require_impersonal_text("action", action)
    # Many entries say the same: each saying is looked at once.
    checked = {
        said: require_impersonal_details(dict(said), allowed_keys=DETAIL_KEYS)
        for said in {tuple(entry.details.items()) for entry in entries}
    }
    copy_in(
        AuditEntry,
        (
            {
                "occurred_at": now,
                "actor": actor,
                "action": entry.action,
                "target": require_impersonal_text("target", entry.target),
                "details": checked[tuple(entry.details.items())],
            }
            for entry in entries
        ),
    )
