"""What a restore from a dump does to the outbox: the new server counts transactions from the start again.

Old rows and cursors then carry transaction ids from the future, and new events would wait behind them for ever.
"""

from django.db import connection, transaction

from core.logs import get_logger
from core.models.outbox import OutboxCursor

logger = get_logger("outbox")

# A row that can be seen was written by a transaction that has ended, so its id is below the next one to be given.
_FROM_THE_FUTURE = """
WITH here AS (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_id)
SELECT EXISTS (SELECT FROM crm_outbox, here WHERE transaction_id >= next_id)
    OR EXISTS (SELECT FROM crm_outbox_cursors, here WHERE transaction_id >= next_id)
"""
# Before the first event that the consumer may not have had. Row ids go on after a restore: newer ones are higher.
_MOVE_CURSORS = """
UPDATE crm_outbox_cursors AS at
SET transaction_id = 0,
    event_id = COALESCE(
        (SELECT min(event.id) - 1 FROM crm_outbox AS event
         WHERE (event.transaction_id, event.id) > (at.transaction_id, at.event_id) OR event.id > at.event_id),
        at.event_id)
"""
_MOVE_EVENTS = """
WITH here AS (
    SELECT pg_snapshot_xmin(snapshot)::text::bigint AS oldest_open, pg_snapshot_xmax(snapshot)::text::bigint AS next_id
    FROM pg_current_snapshot() AS snapshot)
UPDATE crm_outbox SET transaction_id = 0 FROM here WHERE transaction_id < oldest_open OR transaction_id >= next_id
"""


def rebase_if_restored() -> bool:
    """Puts old events and cursors at the beginning of the order. Some events may be handed out a second time."""
    if not _is_from_the_future():
        return False
    with transaction.atomic():
        # Waits for handlers that run; whoever was here first has done it already.
        list(OutboxCursor.objects.select_for_update().order_by("consumer"))
        if not _is_from_the_future():
            return False
        with connection.cursor() as sql:
            sql.execute(_MOVE_CURSORS)
            sql.execute(_MOVE_EVENTS)
    logger.warning("the database was restored, the outbox starts a new order")
    return True


def _is_from_the_future() -> bool:
    with connection.cursor() as sql:
        sql.execute(_FROM_THE_FUTURE)
        return bool(sql.fetchone()[0])
