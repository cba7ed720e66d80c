"""Celery entry points."""

from celery import shared_task
from django.utils import timezone

from core import outbox, spool
from core.alert_kinds import ALERT_TASK
from core.alerts import send_alerts


@shared_task(name=outbox.CONSUME_TASK)
def consume_outbox() -> None:
    """Real time: nothing in here waits for a due time or a window."""
    outbox.consume_all(timezone.now())


@shared_task(name=spool.DRAIN_TASK)
def drain_spool() -> None:
    spool.drain()


@shared_task(name="core.forget_spooled")
def forget_spooled() -> None:
    spool.forget_old()


@shared_task(name=ALERT_TASK)
def send_alerts_task() -> None:
    """Real time, as the services that take the alerts."""
    send_alerts(now=timezone.now())
