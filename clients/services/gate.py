from collections.abc import Collection
from typing import Final
from uuid import UUID

from django.db.models import F

from clients.models import Client
from core.cached import forget_on_commit
from core.outbox import Publication, publish_many

CLIENT_CHANGED: Final = "client.changed"
"""Published with every bump; the subject is `client:ID`. Who plans by a client's data plans anew."""


def cache_subject(client_id: UUID) -> str:
    """The name under which what is known of a client is cached; every bump makes it old."""
    return f"client:{client_id}"


def bump_gate(*, client_ids: Collection[UUID]) -> None:
    """Say that what was checked for these clients may no longer hold, in the transaction that changed it.

    The fence compares the version, so nothing checked before this commit is sent after it.
    """
    # Locked in id order first, as everywhere: an UPDATE takes its rows in any order.
    list(
        Client.objects.select_for_update(no_key=True)
        .filter(id__in=client_ids)
        .order_by("id")
        .values_list("id")
    )
    Client.objects.filter(id__in=client_ids).update(gate_version=F("gate_version") + 1)
    forget_on_commit([cache_subject(client_id) for client_id in client_ids])
    publish_many(Publication(CLIENT_CHANGED, subject=f"client:{client_id}") for client_id in client_ids)
