"""A client who is known by reference alone: their settings may come before their first message."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from clients.models import Client
from clients.references import client_reference_problem
from core import audit
from core.errors import Invalid
from core.sealing import new_key, store_keys


def introduce_client(*, reference: str, actor: str, now: datetime) -> UUID:
    """The id of the client of this reference, made if there is none. Raises Invalid for what is no reference."""
    problem = client_reference_problem(reference)
    if problem is not None:
        raise Invalid([problem])
    with transaction.atomic():
        known = Client.objects.filter(reference=reference).values_list("id", flat=True).first()
        if known is not None:
            return known
        key = new_key()
        store_keys([key])
        made, is_new = Client.objects.get_or_create(
            reference=reference,
            defaults={"data_key_id": key.data_key_id, "created_at": now, "updated_at": now},
        )
        if is_new:
            audit.record(actor=actor, action="client.created", target=f"client:{made.id}", now=now)
        return made.id
