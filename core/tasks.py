"""Celery entry points."""

from celery import shared_task
from django.utils import timezone

from core import outbox, spool


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
