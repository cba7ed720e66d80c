"""Attention items: what a person should look at, once, however often it happens."""

import json
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from core import audit
from core.alert_kinds import ALERT_TASK, alerting_kinds
from core.crypto import keyed_hash
from core.errors import Conflict, NotFound
from core.impersonal import looks_personal, require_impersonal_text, withhold_personal
from core.logs import get_logger
from core.models.attention import AttentionItem
from core.wake import ring

logger = get_logger("attention")

SETTLED_ITSELF = "system:settled"
_MAX_DEDUPE_KEY = 200

_UPSERT = """
INSERT INTO crm_attention_items AS item
    (id, kind, dedupe_key, target, details, occurrences, first_seen_at, last_seen_at, resolved_by)
SELECT given.id, given.kind, given.dedupe_key, given.target, given.details::jsonb, given.occurrences, %s, %s, ''
  FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int[])
       AS given(id, kind, dedupe_key, target, details, occurrences)
ON CONFLICT (kind, dedupe_key) WHERE resolved_at IS NULL DO UPDATE
SET occurrences = item.occurrences + EXCLUDED.occurrences,
    details = EXCLUDED.details,
    last_seen_at = GREATEST(item.last_seen_at, EXCLUDED.last_seen_at)
RETURNING *
"""


@dataclass(frozen=True, slots=True)
class Item:
    """What to show to a person: once for each kind and dedupe key."""

    kind: str
    dedupe_key: str
    target: str
    details: Mapping[str, Any]


def raise_item(
    *, kind: str, dedupe_key: str, target: str, details: Mapping[str, Any], now: datetime
) -> AttentionItem:
    """Opens an item, or counts one more occurrence of the open one with the same kind and dedupe key.

    One statement, so any number of callers at once give one item. Parts that callers of the API choose may
    reach this: what looks personal in them is withheld, and such a dedupe key is kept as a keyed hash. Administrators
    are alerted to the first opening of an alerting kind (`core.alerts`).
    """
    (row,) = raise_items([Item(kind, dedupe_key, target, details)], now=now)
    return row


def raise_items(items: Iterable[Item], *, now: datetime) -> list[AttentionItem]:
    """As `raise_item` for each, in one statement; those of one kind and dedupe key are one."""
    rows: dict[tuple[str, str], list[Any]] = {}
    for item in items:
        kind, key = require_impersonal_text("kind", item.kind), _impersonal_key(item.dedupe_key)
        row = rows.setdefault((kind, key), [uuid.uuid4(), kind, key, None, None, 0])
        row[3:] = [withhold_personal(item.target), json.dumps(withhold_personal(item.details)), row[5] + 1]
    if not rows:
        return []
    # In one order, so that two callers with the same items wait for each other, never in a ring.
    columns = zip(*(rows[name] for name in sorted(rows)), strict=True)
    shown = list(AttentionItem.objects.raw(_UPSERT, [now, now, *map(list, columns)]))
    ours = {row[0] for row in rows.values()}
    _call_for_administrators(Counter(item.kind for item in shown if item.id in ours))
    return shown


def _call_for_administrators(opened: Mapping[str, int]) -> None:
    """`opened`: how many items of each kind were not open before."""
    alerting = {kind: count for kind, count in opened.items() if kind in alerting_kinds()}
    for kind, count in alerting.items():
        logger.critical("an administrator is needed", kind=kind, count=count)
    if alerting and settings.ADMIN_ALERT_URLS:
        ring(ALERT_TASK)


def resolve(*, item_id: uuid.UUID, actor: str, now: datetime) -> AttentionItem:
    """Closes an open item, audited. Raises NotFound, or Conflict when somebody already closed it."""
    with transaction.atomic():
        item = AttentionItem.objects.select_for_update().filter(id=item_id).first()
        if item is None:
            raise NotFound("There is no such item.")
        if item.resolved_at is not None:
            raise Conflict("This item is already resolved.", code="already_resolved")
        item.resolved_at, item.resolved_by = now, actor
        item.save(update_fields=["resolved_at", "resolved_by"])
        audit.record(
            actor=actor,
            action="attention.resolved",
            target=f"attention:{item.id}",
            details={"attention_kind": item.kind, "occurrences": item.occurrences},
            now=now,
        )
    return item


def reopen(*, item_id: uuid.UUID, actor: str, now: datetime) -> AttentionItem:
    """Takes `resolve` back, audited. Raises NotFound, or Conflict when it is open, or when the same matter came up
    again since and is open as another item."""
    try:
        with transaction.atomic():
            item = AttentionItem.objects.select_for_update().filter(id=item_id).first()
            if item is None:
                raise NotFound("There is no such item.")
            if item.resolved_at is None:
                raise Conflict("This item is open already.", code="already_open")
            item.resolved_at, item.resolved_by = None, ""
            item.save(update_fields=["resolved_at", "resolved_by"])
            audit.record(
                actor=actor,
                action="attention.reopened",
                target=f"attention:{item.id}",
                details={"attention_kind": item.kind, "occurrences": item.occurrences},
                now=now,
            )
    except IntegrityError as error:
        raise Conflict(
            "The same came up again since and is open as a new item.", code="open_again"
        ) from error
    return item


def settle(*, kind: str, dedupe_keys: Collection[str], now: datetime) -> int:
    """Closes open items whose matter has settled itself; nobody has to look any more. Returns how many."""
    open_items = AttentionItem.objects.filter(
        kind=kind, dedupe_key__in=[_impersonal_key(key) for key in dedupe_keys], resolved_at__isnull=True
    )
    return open_items.update(resolved_at=now, resolved_by=SETTLED_ITSELF)


def _impersonal_key(dedupe_key: str) -> str:
    if len(dedupe_key) > _MAX_DEDUPE_KEY or looks_personal(dedupe_key):
        return keyed_hash(dedupe_key, purpose="attention")
    return dedupe_key
