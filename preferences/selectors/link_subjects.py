"""What a page may show of whom a link is for."""

from dataclasses import dataclass

from clients.addresses import mask
from clients.choices import ContactKind
from clients.models import ContactPoint
from preferences.links import LinkSubject
from preferences.selectors.consent import allowed_channels


@dataclass(frozen=True)
class DescribedSubject:
    """`address`: that of the link, masked; empty once it is gone. `is_open`: the channel may be used now."""

    address: str
    is_open: bool


def describe_subject(subject: LinkSubject) -> DescribedSubject:
    point = ContactPoint.objects.filter(id=subject.contact_point_id, client_id=subject.client_id).first()
    address = mask(point.address, kind=ContactKind(point.kind)) if point is not None else ""
    allowed = allowed_channels([subject.client_id])[subject.client_id]
    return DescribedSubject(address, subject.channel in allowed)
