"""Rows to measure with: a few requests made by the product itself, then copied by the database.

Everything of a copy is its own row (client, key, address, plan, request, message), so the work for it is that of any
other message; only the text and the address are those of its model.
"""

from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from bench.bodies import NAMES, a_context, noon_zone
from communications.choices import MessageType, Urgency
from communications.models import Communication
from communications.services.commands import ClientData, SubmitCommand
from communications.services.submit import submit
from core import clock

MODELS = 20

_COPIED: dict[str, tuple[str, ...]] = {
    # table: the columns that hold an id of a copied row, its own included
    "crm_data_keys": ("id",),
    "crm_clients": ("id", "data_key_id"),
    "crm_contact_points": ("id", "client_id"),
    "crm_client_preferences": ("client_id",),
    "crm_plans": ("id", "client_id"),
    "crm_communication_requests": ("id", "client_id", "plan_id"),
    "crm_communications": ("id", "request_id", "client_id", "plan_id"),
    "crm_queue": ("communication_id", "client_id"),
    "crm_delivery_events": ("communication_id",),
}
_SUFFIXED = {"reference"}
_HASHED = {"business_key"}


@dataclass(frozen=True)
class Model:
    """One stored message that others are copies of."""

    client_id: Any
    communication_id: Any


def make_models(*, urgency: Urgency, count: int = MODELS, prefix: str = "m") -> list[Model]:
    """Through the product's own door; due at once."""
    models = []
    for number in range(count):
        name = NAMES[number % len(NAMES)]
        command = SubmitCommand(
            plan_reference=f"{prefix}-plan-{number}",
            client_reference=f"{prefix}-client-{number}",
            message_type=MessageType.WELCOME,
            urgency=urgency,
            context={"client_name": name, "client_email": f"{prefix}{number}@clients.example"}
            | a_context(number),
            client=ClientData(timezone=noon_zone()),
        )
        submitted = submit(command=command, caller="service:bench", now=clock.now())
        row = Communication.objects.get(request_id=submitted.request_id)
        models.append(Model(row.client_id, row.id))
    return models


def copy_models(models: list[Model], *, total: int) -> None:
    """Until there are `total` rows due, the models among them: one statement for each table."""
    copies = total // len(models) - 1
    if copies <= 0:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # neither triggers nor key checks
        cursor.execute("CREATE TEMP TABLE model (client_id uuid) ON COMMIT DROP")
        cursor.execute("INSERT INTO model SELECT unnest(%s::uuid[])", [[model.client_id for model in models]])
        for table, ids in _COPIED.items():
            cursor.execute(_copy_statement(table, ids), [copies])
    analyse()


def analyse() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _copy_statement(table: str, ids: tuple[str, ...]) -> str:
    columns = _columns(table)
    values = [_copied_value(column, ids) for column in columns]
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) "
        f"SELECT {', '.join(values)} FROM {table} source, generate_series(1, %s) AS n WHERE {_OF_A_MODEL[table]}"
    )


def _copied_value(column: str, ids: tuple[str, ...]) -> str:
    if column in ids:
        return f"md5(source.{column}::text || n)::uuid"
    if column in _SUFFIXED:
        return f"left(source.{column} || '-' || n, 64)"
    if column in _HASHED:
        return f"md5(source.{column} || n) || md5(n || source.{column})"
    return f"source.{column}"


def _columns(table: str) -> list[str]:
    """Without what the database counts itself."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_identity = 'NO'"
            " ORDER BY ordinal_position",
            [table],
        )
        return [row[0] for row in cursor.fetchall()]


_BY_CLIENT = "source.client_id IN (SELECT client_id FROM model)"
_OF_A_MODEL = {
    "crm_data_keys": "source.id IN (SELECT data_key_id FROM crm_clients JOIN model ON client_id = id)",
    "crm_clients": "source.id IN (SELECT client_id FROM model)",
    "crm_contact_points": _BY_CLIENT,
    "crm_client_preferences": _BY_CLIENT,
    "crm_plans": _BY_CLIENT,
    "crm_communication_requests": _BY_CLIENT,
    "crm_communications": _BY_CLIENT,
    "crm_queue": _BY_CLIENT,
    "crm_delivery_events": (
        "source.communication_id IN"
        " (SELECT id FROM crm_communications WHERE client_id IN (SELECT client_id FROM model))"
    ),
}


def future_rows(model: Model, *, first: int, last: int) -> None:
    """Scheduled rows of every priority that are due in the years to come, numbered so that calls add up. Three
    messages of one request, one on each channel; texts left out, for a claim reads none."""
    requests = _columns("crm_communication_requests")
    rows = _columns("crm_communications")
    replaced_request = {"id": "md5('future' || n)::uuid", "holds_key": "false"}
    replaced = {
        "id": "md5(chosen || n)::uuid",
        "request_id": "md5('future' || n)::uuid",
        "channel": "chosen",
        "content": "NULL",
        "priority": "(ARRAY[1, 3, 5, 7])[1 + n %% 4]",
        "status": "'scheduled'",
        "due_at": "clock_timestamp() + interval '30 days' + n * interval '1 minute'",
        "expires_at": "clock_timestamp() + interval '20 years'",
    }
    bounds = [first // 3 + 1, last // 3]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            f"INSERT INTO crm_communication_requests ({', '.join(requests)}) "
            f"SELECT {', '.join(replaced_request.get(name, f'source.{name}') for name in requests)} "
            "FROM crm_communication_requests source, generate_series(%s::int, %s::int) AS n "
            "WHERE source.id = (SELECT request_id FROM crm_communications WHERE id = %s)",
            [*bounds, model.communication_id],
        )
        cursor.execute(
            f"WITH made AS (INSERT INTO crm_communications ({', '.join(rows)}) "
            f"SELECT {', '.join(replaced.get(name, f'source.{name}') for name in rows)} "
            "FROM crm_communications source, generate_series(%s::int, %s::int) AS n, "
            "unnest(ARRAY['email', 'sms', 'whatsapp']) AS chosen WHERE source.id = %s RETURNING *) "
            "INSERT INTO crm_queue (communication_id, client_id, priority, due_at, waits_for, lapses) "
            "SELECT id, client_id, priority, due_at, waits_for, 0 FROM made",
            [*bounds, model.communication_id],
        )
    analyse()
