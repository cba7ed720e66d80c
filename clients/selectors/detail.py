from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from clients.models import Client, Plan
from clients.selectors.contacts import MaskedContact, current_contacts, masked
from core.errors import NotFound
from core.sealing import load_keys, unseal


@dataclass(frozen=True)
class PlanEntry:
    """`event_type` is None where it was never said, and once the client was erased."""

    row: Plan
    event_type: str | None


@dataclass(frozen=True)
class ClientDetail:
    """`plans` newest first."""

    row: Client
    plans: Sequence[PlanEntry]
    contacts: Sequence[MaskedContact]


def get_client(client_id: UUID) -> ClientDetail:
    """Four queries. Raises NotFound."""
    row = Client.objects.filter(id=client_id).first()
    if row is None:
        raise NotFound("There is no client with this id.", code="client_not_found")
    key = load_keys([row.data_key_id]).get(row.data_key_id)
    plans = row.plans.order_by("-created_at", "id")
    return ClientDetail(
        row=row,
        plans=[
            PlanEntry(plan, None if key is None else unseal(Plan, "event_type", plan.event_type, key))
            for plan in plans
        ],
        contacts=[masked(point) for point in current_contacts().filter(client=row)],
    )
