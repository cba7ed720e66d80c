"""How a client is reached, masked."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from clients.addresses import mask
from clients.choices import ContactKind
from clients.models import ContactPoint


@dataclass(frozen=True)
class MaskedContact:
    """A current address. `undeliverable_at`: since when the providers say that nothing arrives there."""

    kind: ContactKind
    masked: str
    undeliverable_at: datetime | None


def current_contacts() -> QuerySet[ContactPoint]:
    return ContactPoint.objects.filter(replaced_at__isnull=True).order_by("kind")


def masked(point: ContactPoint) -> MaskedContact:
    kind = ContactKind(point.kind)
    return MaskedContact(kind, mask(point.address, kind=kind), point.undeliverable_at)
