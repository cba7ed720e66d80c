"""Alerts to administrators about newly opened attention items, by the services of `ADMIN_ALERT_URLS` (apprise).

The items themselves are the queue: what is open, of an alerting kind and not yet told. They are written in the
transaction of what caused them, so nothing is lost and nothing is told that did not happen.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from core import attention
from core.alert_kinds import alerting_kinds
from core.alert_rules import AlertFacts, is_due
from core.logs import get_logger
from core.models.alert import AdminAlert
from core.models.attention import AttentionItem

logger = get_logger("alerts")

ALERTS_FAILING: Final = "alerts_failing"
_DEDUPE_KEY: Final = "administrators"
SEND_SECONDS: Final = 10.0
# Longer than sending may take: whoever died meanwhile is followed by another, and the alert may come twice.
_CLAIM: Final = timedelta(minutes=1)
_MOST: Final = 10_000


@dataclass(frozen=True)
class _Alert:
    kind: str
    item_ids: Collection[UUID]


def send_alerts(*, now: datetime) -> int:
    """Tell administrators what is due to be told, each kind on its own; returns how many alerts reached somebody.

    Real time, and no transaction: it takes up to SEND_SECONDS for each kind. Never raises for what services and
    networks do: an alert that reached nobody is tried again after 1, 5 and then every 15 minutes.
    """
    if connection.in_atomic_block:
        raise RuntimeError("Alerts go over the network; send them outside of transactions.")
    if not settings.ADMIN_ALERT_URLS:
        return 0
    return sum(_send(alert, now) for alert in _claim(now))


def _claim(now: datetime) -> list[_Alert]:
    pending: dict[str, list[UUID]] = {}
    waiting = AttentionItem.objects.filter(
        kind__in=alerting_kinds(), resolved_at__isnull=True, alerted_at__isnull=True
    )
    for kind, item_id in waiting.order_by().values_list("kind", "id")[:_MOST]:
        pending.setdefault(kind, []).append(item_id)
    if not pending:
        return []
    AdminAlert.objects.bulk_create([AdminAlert(kind=kind) for kind in pending], ignore_conflicts=True)
    with transaction.atomic():
        rows = (
            AdminAlert.objects.select_for_update(skip_locked=True).filter(kind__in=pending).order_by("kind")
        )
        due = [row for row in rows if _is_free(row, now) and is_due(_facts(row, len(pending[row.kind])), now)]
        AdminAlert.objects.filter(kind__in=[row.kind for row in due]).update(claimed_until=now + _CLAIM)
    return [_Alert(row.kind, pending[row.kind]) for row in due]


def _is_free(row: AdminAlert, now: datetime) -> bool:
    return row.claimed_until is None or row.claimed_until <= now


def _facts(row: AdminAlert, pending: int) -> AlertFacts:
    return AlertFacts(pending, row.sent_at, row.failed_at, row.failures)


def _send(alert: _Alert, now: datetime) -> bool:
    count = len(alert.item_ids)
    reached, everybody = _notify(alerting_kinds()[alert.kind].say(count))
    with transaction.atomic():
        state = AdminAlert.objects.select_for_update().get(kind=alert.kind)
        state.claimed_until = None
        if reached:
            state.sent_at, state.failed_at, state.failures = now, None, 0
            AttentionItem.objects.filter(id__in=alert.item_ids).update(alerted_at=now)
        else:
            state.failed_at, state.failures = now, state.failures + 1
        state.save()
        _show(everybody, state, now)
    if reached:
        logger.info("administrators alerted", kind=alert.kind, count=count)
    return reached


def _notify(sentence: str) -> tuple[bool, bool]:
    """Whether somebody was reached, and whether every service took it."""
    # Loads a hundred plugins, which only an installation that alerts has to wait for.
    from apprise import Apprise, AppriseResultStatus

    services = Apprise()
    services.add(settings.ADMIN_ALERT_URLS)
    result = services.notify(
        title=f"{settings.CRM_COMPANY_NAME}: a person is needed",
        body=f"{sentence} See {settings.CRM_PUBLIC_URL}/",
        timeout=SEND_SECONDS,
    )
    everybody = result.status is AppriseResultStatus.SUCCESS
    return everybody or result.status is AppriseResultStatus.PARTIAL, everybody


def _show(everybody: bool, state: AdminAlert, now: datetime) -> None:
    """Who cannot be alerted is told on Today."""
    if everybody:
        attention.settle(kind=ALERTS_FAILING, dedupe_keys=[_DEDUPE_KEY], now=now)
        return
    logger.error("a service for alerts did not take one", kind=state.kind)
    attention.raise_item(
        kind=ALERTS_FAILING,
        dedupe_key=_DEDUPE_KEY,
        target="setting:ADMIN_ALERT_URLS",
        details={"failures": state.failures},
        now=now,
    )
