"""What waits for its time: neither claimed by a worker nor held back by a pause or a provider's trouble."""

from django.db.models import QuerySet

from communications.models import QueueEntry
from communications.rules.message_types import PRIORITIES


def waiting() -> QuerySet[QueueEntry]:
    """In the words of queue_due_idx, which then answers what is asked of `due_at`."""
    return QueueEntry.objects.filter(lease_token__isnull=True, waits_for="", priority__in=PRIORITIES)
