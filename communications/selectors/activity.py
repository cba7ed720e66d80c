"""What clients were sent, will be sent, and how they reacted: what cap, engagement and best hour are told by."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final
from uuid import UUID

from django.db import connection

from communications.choices import MessageType
from communications.rules.daily_cap import Planned
from communications.rules.engagement import Delivered
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.stages import is_closed
from core.choices import Channel

# A local day that is not over began at most so long ago, wherever it is.
_LONGEST_DAY: Final = timedelta(hours=50)
_REMEMBERED: Final = timedelta(days=365)
_CAPPED: Final = [rule.name.value for rule in MESSAGE_TYPES.values() if rule.capped]


@dataclass(frozen=True, slots=True)
class Activity:
    """Of one client. `planned`: the capped messages of today and later, companions left out."""

    planned: tuple[Planned, ...] = ()
    delivered: tuple[Delivered, ...] = ()

    def without_waiting(self, plan_id: UUID, message_types: Collection[MessageType]) -> "Activity":
        """As it is once what still waits of these types is taken back for the plan."""
        stopped = {(plan_id, message_type) for message_type in message_types}
        if not stopped or not self.planned:
            return self
        return replace(self, planned=tuple(each for each in self.planned if each.waits_for not in stopped))


NO_ACTIVITY: Final = Activity()


def activity_of(
    client_ids: Collection[UUID], *, now: datetime, without: Collection[UUID] = ()
) -> Mapping[UUID, Activity]:
    """By client; one of whom nothing is known is absent. `without`: communications that are planned anew and do not
    count. Two queries whatever the number of clients, none for none.

    What is counted for the cap holds while the clients' rows are locked.
    """
    if not client_ids:
        return MappingProxyType({})
    planned = _planned(client_ids, now, without)
    delivered = _delivered(client_ids, now)
    return {
        client_id: Activity(tuple(planned.get(client_id, ())), tuple(delivered.get(client_id, ())))
        for client_id in planned.keys() | delivered.keys()
    }


def _planned(
    client_ids: Collection[UUID], now: datetime, without: Collection[UUID]
) -> dict[UUID, list[Planned]]:
    """Nothing of a cancelled or failed message arrives; a digest stands for those that were merged into it."""
    sql = """
        SELECT client_id, coalesce(sent_at, delivered_at, due_at), CASE status WHEN 'held' THEN batch_key ELSE '' END,
               plan_id, message_type, status IN ('scheduled', 'held', 'sending')
          FROM crm_communications
         WHERE client_id = ANY(%s) AND role = 'primary' AND message_type = ANY(%s)
           AND status NOT IN ('cancelled', 'failed', 'merged')
           AND coalesce(sent_at, delivered_at, due_at) > %s AND NOT id = ANY(%s)
    """
    found: dict[UUID, list[Planned]] = {}
    with connection.cursor() as cursor:
        cursor.execute(sql, [list(client_ids), _CAPPED, now - _LONGEST_DAY, list(without)])
        for client_id, at, batch_key, plan_id, message_type, waits in cursor.fetchall():
            subject = (plan_id, MessageType(message_type)) if waits else None
            found.setdefault(client_id, []).append(Planned(at, batch_key, subject))
    return found


def _delivered(client_ids: Collection[UUID], now: datetime) -> dict[UUID, list[Delivered]]:
    sql = """
        SELECT c.client_id, c.channel, c.message_type, coalesce(c.delivered_at, c.sent_at),
               least(c.opened_at, c.clicked_at, c.responded_at), c.shows_engagement, p.stage
          FROM crm_communications c JOIN crm_plans p ON p.id = c.plan_id
         WHERE c.client_id = ANY(%s) AND c.created_at > %s AND coalesce(c.delivered_at, c.sent_at) IS NOT NULL
           AND (c.shows_engagement OR c.opened_at IS NOT NULL OR c.clicked_at IS NOT NULL
                OR c.responded_at IS NOT NULL)
           AND c.status <> 'failed'
    """
    found: dict[UUID, list[Delivered]] = {}
    with connection.cursor() as cursor:
        cursor.execute(sql, [list(client_ids), now - _REMEMBERED])
        for client_id, *rest in cursor.fetchall():
            found.setdefault(client_id, []).append(_as_delivered(*rest))
    return found


def _as_delivered(
    channel: str,
    message_type: str,
    arrived_at: datetime,
    reacted_at: datetime | None,
    shows_engagement: bool,
    stage: int,
) -> Delivered:
    """A question whose answer the planner told of was answered somewhere: that nobody reacted here tells nothing."""
    answered_elsewhere = reacted_at is None and is_closed(MessageType(message_type), stage=stage)
    return Delivered(
        Channel(channel),
        arrived_at,
        reacted_at,
        could_show=shows_engagement and not answered_elsewhere,
    )
