"""The two changes of status that every message goes through, for a group in one statement each.

The hot-path sibling of `lifecycle.apply`, under the same table, triggers and lock order: `begin_calls` is the fence,
`end_accepted` the end of calls that were accepted. Everything else that can become of a call goes through `apply`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from communications.choices import AttemptStatus, Cause, OutcomeClass, Status


@dataclass(frozen=True)
class PlannedCall:
    """A call that was checked and is about to be made, with the versions that the check saw: of its client's gate and
    of the installation's. `send_before` is real time, on the database's clock."""

    communication_id: UUID
    client_id: UUID
    lease_token: UUID
    gate_version: int
    sending_version: int
    send_before: datetime
    attempt_id: UUID
    contact_point_id: UUID
    message_id: str
    channel: str
    provider: str


def begin_calls(calls: Sequence[PlannedCall], *, actor: str, offset: timedelta) -> dict[UUID, int]:
    """The fence: scheduled rows become `sending`, each with its event and the row of its attempt. Returns attempt id →
    attempt number.

    One autocommitted statement. It locks the clients' gate rows FOR SHARE, so a change of consent, preferences or
    addresses that is committed before is seen; likewise the installation's own gate, so that a pause is. It writes only
    for rows whose lease is still ours and alive, whose gates are as they were checked, and whose window is still open.
    Call nothing that it does not return. When its answer is lost, call nothing at all. Raises RuntimeError inside a
    transaction, where nothing would be committed before the calls.
    """
    if connection.in_atomic_block:
        raise RuntimeError("The fence must be committed before the calls; do not pass it in a transaction.")
    parameters: dict[str, Any] = {
        "communication_ids": [call.communication_id for call in calls],
        "client_ids": [call.client_id for call in calls],
        "lease_tokens": [call.lease_token for call in calls],
        "gate_versions": [call.gate_version for call in calls],
        "sending_versions": [call.sending_version for call in calls],
        "send_before": [call.send_before for call in calls],
        "attempt_ids": [call.attempt_id for call in calls],
        "contact_point_ids": [call.contact_point_id for call in calls],
        "message_ids": [call.message_id for call in calls],
        "channels": [call.channel for call in calls],
        "providers": [call.provider for call in calls],
        "from": Status.SCHEDULED.value,
        "to": Status.SENDING.value,
        "cause": Cause.CLAIMED.value,
        "calling": AttemptStatus.CALLING.value,
        "actor": actor,
        "offset": offset,
    }
    with connection.cursor() as cursor:
        cursor.execute(_FENCE, parameters)
        return dict(cursor.fetchall())


# Clients before communications before their places in the queue, the last two in the order of their ids: `held` begins
# with all of `gate`. Rows that another transaction changed meanwhile are judged as it left them, the queue's too, for
# they are locked. A claim never waits, and who frees a lease has the communication's lock.
_FENCE = """
    WITH input AS (
        SELECT * FROM unnest(%(communication_ids)s::uuid[], %(client_ids)s::uuid[], %(lease_tokens)s::uuid[],
                             %(gate_versions)s::bigint[], %(sending_versions)s::bigint[],
                             %(send_before)s::timestamptz[], %(attempt_ids)s::uuid[], %(contact_point_ids)s::uuid[],
                             %(message_ids)s::text[], %(channels)s::text[], %(providers)s::text[])
            AS t(communication_id, client_id, lease_token, gate_version, sending_version, send_before, attempt_id,
                 contact_point_id, message_id, channel, provider)
    ), sending AS MATERIALIZED (
        SELECT version FROM crm_sending_gate WHERE id = 1 FOR SHARE
    ), gate AS MATERIALIZED (
        SELECT id, gate_version FROM crm_clients
         WHERE id IN (SELECT client_id FROM input) ORDER BY id FOR SHARE
    ), held AS MATERIALIZED (
        SELECT i.*, l.expires_at AS lease_expires_at
          FROM input i JOIN sending s ON s.version = i.sending_version
                       JOIN gate g ON g.id = i.client_id AND g.gate_version = i.gate_version
                       JOIN crm_communications c ON c.id = i.communication_id
                       JOIN crm_queue q ON q.communication_id = c.id
                       JOIN crm_queue_leases l ON l.token = q.lease_token
         WHERE (SELECT count(*) FROM gate) > 0
           AND c.status = %(from)s AND NOT c.cancel_requested AND q.lease_token = i.lease_token
         ORDER BY c.id FOR NO KEY UPDATE OF c, q
    ), mine AS (
        UPDATE crm_communications c
           SET status = %(to)s, call_started_at = clock_timestamp(), attempt_count = c.attempt_count + 1
          FROM held h
         WHERE c.id = h.communication_id
           AND clock_timestamp() < h.lease_expires_at AND clock_timestamp() < h.send_before
        RETURNING c.id, c.attempt_count, c.call_started_at, h.attempt_id, h.channel, h.provider, h.contact_point_id,
                  h.lease_token, h.message_id
    ), told AS (
        INSERT INTO crm_delivery_events (communication_id, from_status, to_status, cause, actor, reason, code,
                                         occurred_at, recorded_at)
        SELECT id, %(from)s, %(to)s, %(cause)s, %(actor)s, '', '', call_started_at + %(offset)s,
               call_started_at + %(offset)s
          FROM mine
    )
    INSERT INTO crm_delivery_logs (id, communication_id, number, channel, provider, contact_point_id, lease_token,
                                   delivery_status, message_id, provider_message_id, outcome_class, outcome_code,
                                   started_at)
    SELECT attempt_id, id, attempt_count, channel, provider, contact_point_id, lease_token, %(calling)s, message_id,
           '', '', '', call_started_at + %(offset)s
      FROM mine
    RETURNING id, number
"""


@dataclass(frozen=True)
class Accepted:
    """A call that was accepted, in its worker's own words.

    `payload`: the provider's words, sealed. `content`: the text, sealed, where it was made anew for its channel.
    `html_sha256` and `degraded` empty, `content` None: stays as it is.
    """

    communication_id: UUID
    attempt_id: UUID
    attempt_number: int
    code: str
    provider_message_id: str
    at: datetime
    payload: bytes | None
    html_sha256: str = ""
    degraded: str = ""
    content: bytes | None = None


def end_accepted(
    accepted: Sequence[Accepted], *, actor: str, now: datetime, durable: bool
) -> frozenset[UUID]:
    """What is being sent and whose newest attempt was accepted becomes `sent`, with event and attempt; returns these
    rows. One statement. What it leaves out (it came too late, or was known already) is for `outcomes.record`.

    With `durable` false it does not wait for the database's disk.
    """
    if not accepted:
        return frozenset()
    parameters: dict[str, Any] = {
        "communication_ids": [each.communication_id for each in accepted],
        "attempt_ids": [each.attempt_id for each in accepted],
        "attempt_numbers": [each.attempt_number for each in accepted],
        "codes": [each.code for each in accepted],
        "provider_message_ids": [each.provider_message_id for each in accepted],
        "at": [each.at for each in accepted],
        "payloads": [each.payload for each in accepted],
        "html_sha256": [each.html_sha256 for each in accepted],
        "degraded": [each.degraded for each in accepted],
        "contents": [each.content for each in accepted],
        "from": Status.SENDING.value,
        "to": Status.SENT.value,
        "cause": Cause.ACCEPTED.value,
        "reason": Cause.ACCEPTED.value,
        "calling": AttemptStatus.CALLING.value,
        "accepted": AttemptStatus.ACCEPTED.value,
        "outcome_class": OutcomeClass.ACCEPTED.value,
        "actor": actor,
        "now": now,
        "durable": durable,
    }
    with connection.cursor() as cursor:
        cursor.execute(_END_ACCEPTED, parameters)
        return frozenset(row[0] for row in cursor.fetchall())


_END_ACCEPTED = """
    WITH hasty AS MATERIALIZED (
        SELECT set_config('synchronous_commit',
                          CASE WHEN %(durable)s THEN current_setting('synchronous_commit') ELSE 'off' END, true)
    ), input AS (
        SELECT * FROM unnest(%(communication_ids)s::uuid[], %(attempt_ids)s::uuid[], %(attempt_numbers)s::int[],
                             %(codes)s::text[], %(provider_message_ids)s::text[], %(at)s::timestamptz[],
                             %(payloads)s::bytea[], %(html_sha256)s::text[], %(degraded)s::text[],
                             %(contents)s::bytea[])
            AS t(communication_id, attempt_id, number, code, provider_message_id, at, payload, html_sha256, degraded,
                 content)
    ), held AS MATERIALIZED (
        SELECT c.id FROM crm_communications c JOIN input i ON i.communication_id = c.id
         WHERE c.status = %(from)s AND c.attempt_count = i.number
         ORDER BY c.id FOR NO KEY UPDATE OF c
    ), moved AS (
        UPDATE crm_communications c
           SET status = %(to)s, sent_at = coalesce(c.sent_at, i.at), outcome_code = i.code, put_back_count = 0,
               call_started_at = NULL, cancel_requested = false,
               html_sha256 = coalesce(nullif(i.html_sha256, ''), c.html_sha256),
               content = coalesce(i.content, c.content),
               metadata = CASE WHEN i.degraded = '' THEN c.metadata
                               ELSE jsonb_build_object('degraded', i.degraded) END
          FROM held h JOIN input i ON i.communication_id = h.id
         WHERE c.id = h.id
        RETURNING c.id, i.attempt_id, i.code, i.provider_message_id, i.at, i.payload
    ), told AS (
        INSERT INTO crm_delivery_events (communication_id, attempt_id, from_status, to_status, cause, actor, reason,
                                         code, occurred_at, payload, recorded_at)
        SELECT id, attempt_id, %(from)s, %(to)s, %(cause)s, %(actor)s, %(reason)s, code, at, payload, %(now)s FROM moved
    ), ended AS (
        UPDATE crm_delivery_logs a
           SET delivery_status = %(accepted)s, outcome_class = %(outcome_class)s, outcome_code = m.code,
               provider_message_id = m.provider_message_id, finished_at = m.at
          FROM moved m WHERE a.id = m.attempt_id AND a.delivery_status = %(calling)s
    )
    SELECT id FROM moved, hasty
"""
