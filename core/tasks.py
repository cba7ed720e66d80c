"""Celery entry points."""

from celery import shared_task
from django.utils import timezone

from core import outbox


@shared_task(name=outbox.CONSUME_TASK)
def consume_outbox() -> None:
    """Real time: nothing in here waits for a due time or a window."""
    outbox.consume_all(timezone.now())
