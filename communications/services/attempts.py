"""Ends of rows of `crm_delivery_logs`, which the fence began (`services.group_moves`). Known for surer wins
(rules.lifecycle)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from communications.choices import AttemptStatus, OutcomeClass
from communications.rules.lifecycle import ATTEMPT_RANK


@dataclass(frozen=True)
class AttemptResult:
    attempt_id: UUID
    status: AttemptStatus
    outcome_class: OutcomeClass | None
    code: str
    provider_message_id: str
    error: bytes | None  # sealed
    finished_at: datetime


def finish(results: Sequence[AttemptResult]) -> None:
    """Write how calls ended, one statement. What is known already, or known for surer, stays: idempotent."""
    sql = """
        WITH rank AS (SELECT * FROM unnest(%s::text[], %s::int[]) AS t(status, rank))
        UPDATE crm_delivery_logs a
           SET delivery_status = i.status, outcome_class = i.outcome_class, outcome_code = i.code,
               provider_message_id = CASE WHEN i.provider_message_id = '' THEN a.provider_message_id
                                          ELSE i.provider_message_id END,
               error_message = COALESCE(i.error, a.error_message), finished_at = i.finished_at
          FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[], %s::timestamptz[])
               AS i(id, status, outcome_class, code, provider_message_id, error, finished_at)
         WHERE a.id = i.id
           AND (SELECT rank FROM rank WHERE status = i.status)
             > (SELECT rank FROM rank WHERE status = a.delivery_status)
    """
    columns: list[list[Any]] = [
        [result.attempt_id for result in results],
        [result.status.value for result in results],
        [result.outcome_class.value if result.outcome_class else "" for result in results],
        [result.code for result in results],
        [result.provider_message_id for result in results],
        [result.error for result in results],
        [result.finished_at for result in results],
    ]
    ranks: list[list[Any]] = [[status.value for status in ATTEMPT_RANK], list(ATTEMPT_RANK.values())]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*ranks, *columns])


@dataclass(frozen=True)
class AttemptEvidence:
    """What was told of an attempt after its call. `status` None: nothing about its fate."""

    attempt_id: UUID
    status: AttemptStatus | None
    outcome_class: OutcomeClass | None
    code: str
    provider_message_id: str
    error: bytes | None  # sealed
    at: datetime
    opened_at: datetime | None = None
    clicked_at: datetime | None = None


def merge(evidence: Sequence[AttemptEvidence]) -> None:
    """Add what was told later, one statement, one row for each attempt: the surest status and the earliest times stay,
    in whatever order things are told."""
    sql = """
        WITH rank AS (SELECT * FROM unnest(%s::text[], %s::int[]) AS t(status, rank)),
        input AS (
            SELECT i.*, COALESCE((SELECT rank FROM rank WHERE status = i.status), -1)
                        > (SELECT rank FROM rank WHERE status = a.delivery_status) AS is_surer
              FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[],
                          %s::timestamptz[], %s::timestamptz[], %s::timestamptz[])
                   AS i(id, status, outcome_class, code, provider_message_id, error, at, opened_at, clicked_at)
              JOIN crm_delivery_logs a ON a.id = i.id
        )
        UPDATE crm_delivery_logs a
           SET delivery_status = CASE WHEN i.is_surer THEN i.status ELSE a.delivery_status END,
               outcome_class = CASE WHEN i.is_surer THEN i.outcome_class ELSE a.outcome_class END,
               outcome_code = CASE WHEN i.is_surer THEN i.code ELSE a.outcome_code END,
               error_message = CASE WHEN i.is_surer THEN i.error ELSE a.error_message END,
               provider_message_id = CASE WHEN a.provider_message_id = '' THEN i.provider_message_id
                                          ELSE a.provider_message_id END,
               finished_at = COALESCE(a.finished_at, i.at),
               opened_at = LEAST(a.opened_at, i.opened_at),
               clicked_at = LEAST(a.clicked_at, i.clicked_at)
          FROM input i WHERE a.id = i.id
    """
    columns: list[list[Any]] = [
        [each.attempt_id for each in evidence],
        [each.status.value if each.status else None for each in evidence],
        [each.outcome_class.value if each.outcome_class else "" for each in evidence],
        [each.code for each in evidence],
        [each.provider_message_id for each in evidence],
        [each.error for each in evidence],
        [each.at for each in evidence],
        [each.opened_at for each in evidence],
        [each.clicked_at for each in evidence],
    ]
    ranks: list[list[Any]] = [[status.value for status in ATTEMPT_RANK], list(ATTEMPT_RANK.values())]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*ranks, *columns])


def mark_unknown(*, communication_ids: Collection[UUID], now: datetime) -> None:
    """The calls that were under way when their worker was lost: nobody knows how they ended."""
    sql = """
        UPDATE crm_delivery_logs SET delivery_status = 'unknown', outcome_class = 'ambiguous', finished_at = %s
         WHERE communication_id = ANY(%s) AND delivery_status = 'calling'
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [now, list(communication_ids)])
