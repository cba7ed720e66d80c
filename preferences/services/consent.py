"""Writing the ledger of consent: the one way in for everything that clients, staff and providers say.

An opt-out also suppresses the address that the client has on the channel, so that it holds for whoever shares it, now
and later; the address is released again when its client opts in. Every change bumps the gates of the clients that it
touches, in the same transaction: nothing that was checked before its commit is sent after it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from clients.choices import CONTACT_KIND_OF, ContactKind
from clients.models import Client, ContactPoint
from clients.services.gate import bump_gate
from core import audit
from core.choices import Channel, Purpose
from core.copying import copy_in
from core.outbox import Publication, publish_many
from core.sealing import SecretKey, load_keys, seal
from preferences.choices import ConsentSource, ConsentState
from preferences.models import ConsentEntry
from preferences.selectors.consent import Points, Said, current_points, load_said
from preferences.services.suppression import Address, clients_at, release_opted_out, suppress

CLIENT_OPTED_OUT: Final = "client.opted_out"
"""Published with every opt-out that is news; the subject is `client:ID`, the data holds channel and source."""


@dataclass(frozen=True, slots=True)
class NewStatement:
    """Something said about one channel of one client. `occurred_at` is the product's clock; `wording` a version of
    `rules/wordings.py`; `ip` where it came from, if a page took it. `contact_point_id`: what it was said about, also
    one that was replaced since; None: the current one."""

    client_id: UUID
    channel: Channel
    state: ConsentState
    source: ConsentSource
    wording: str
    occurred_at: datetime
    contact_point_id: UUID | None = None
    ip: str = ""
    purpose: Purpose = Purpose.SERVICE

    @property
    def purposes(self) -> Sequence[Purpose]:
        """An opt-out from messages about the event is one from all; the other way round it is not."""
        opts_out = self.state is ConsentState.OPTED_OUT and self.purpose is Purpose.SERVICE
        return (Purpose.SERVICE, Purpose.MARKETING) if opts_out else (self.purpose,)


def record_statements(*, statements: Sequence[NewStatement], actor: str, now: datetime) -> list[NewStatement]:
    """Append what is new to the ledger and return it; what says again what holds already is left out.

    One transaction; locks the clients, and those who share an address that an opt-out is about, in id order.
    """
    if not statements:
        return []
    with transaction.atomic():
        client_ids = {each.client_id for each in statements}
        points, named = current_points(client_ids), _named(statements)
        addresses = [*points.values(), *named.values()]
        bump_gate(client_ids=client_ids | clients_at({point.address_index for point in addresses}))
        # Again, now that the clients are locked: who replaces an address holds the same lock.
        points = current_points(client_ids)
        before = {
            purpose: load_said(client_ids, points.values(), purpose=purpose)
            for purpose in {each.purpose for each in statements}
        }
        new = [each for each in statements if _is_news(each, before[each.purpose], points)]
        if not new:
            transaction.set_rollback(True)
            return []
        _append(new, points, actor, now)
        _follow_addresses(new, _After(load_said(client_ids, points.values()), points, named), actor, now)
        _tell(new, actor, now)
    return new


def _named(statements: Sequence[NewStatement]) -> dict[UUID, ContactPoint]:
    ids = {each.contact_point_id for each in statements if each.contact_point_id is not None}
    clients = {each.client_id for each in statements}
    rows = ContactPoint.objects.filter(client_id__in=clients).defer("address")
    return rows.in_bulk(ids) if ids else {}


def _points_of(points: Points, client_id: UUID) -> dict[ContactKind, ContactPoint]:
    return {kind: point for (owner, kind), point in points.items() if owner == client_id}


def _is_news(said: NewStatement, before: Said, points: Points) -> bool:
    """Whether it changes who decides: an opt-out is news unless one as strong holds, a grant unless one does."""
    own = _points_of(points, said.client_id)
    consent = before.consent_of(said.client_id, own, purpose=said.purpose)
    decision = consent.decisions[said.channel]
    if said.state is ConsentState.GRANTED:
        return not decision.is_open or decision.by is None or said.channel in consent.suppressed
    if decision.is_open or decision.by is None:
        return True
    return decision.by.is_planners and said.source is not ConsentSource.PLANNER


def _append(new: Sequence[NewStatement], points: Points, actor: str, now: datetime) -> None:
    keys = _keys([each.client_id for each in new if each.ip])
    copy_in(
        ConsentEntry,
        (
            {
                "client_id": said.client_id,
                "contact_point_id": _point_id(said, points),
                "channel": said.channel.value,
                "purpose": purpose.value,
                "state": said.state.value,
                "source": said.source.value,
                "wording": said.wording,
                "actor": actor,
                "ip": _sealed_ip(said, keys),
                "occurred_at": said.occurred_at,
                "recorded_at": now,
            }
            for said in new
            for purpose in said.purposes
        ),
    )


def _point_id(said: NewStatement, points: Points) -> UUID | None:
    if said.contact_point_id is not None:
        return said.contact_point_id
    point = points.get((said.client_id, CONTACT_KIND_OF[said.channel]))
    return point.id if point is not None else None


def _keys(client_ids: Collection[UUID]) -> dict[UUID, SecretKey]:
    """By client; erased ones are absent."""
    if not client_ids:
        return {}
    ids = dict(Client.objects.filter(id__in=client_ids).values_list("id", "data_key_id"))
    opened = load_keys(ids.values())
    return {client_id: opened[key_id] for client_id, key_id in ids.items() if key_id in opened}


def _sealed_ip(said: NewStatement, keys: Mapping[UUID, SecretKey]) -> bytes | None:
    key = keys.get(said.client_id)
    return seal(ConsentEntry, "ip", said.ip, key) if said.ip and key is not None else None


@dataclass(frozen=True, slots=True)
class _After:
    """How things stand once everything was said: the current points, and those that were named."""

    said: Said
    points: Points
    named: Mapping[UUID, ContactPoint]

    def is_open(self, statement: NewStatement) -> bool:
        own = _points_of(self.points, statement.client_id)
        return self.said.consent_of(statement.client_id, own).decisions[statement.channel].is_open

    def points_of(self, statement: NewStatement) -> list[ContactPoint]:
        current = self.points.get((statement.client_id, CONTACT_KIND_OF[statement.channel]))
        named = self.named.get(statement.contact_point_id) if statement.contact_point_id else None
        return [point for point in (current, named) if point is not None]


def _follow_addresses(new: Iterable[NewStatement], after: _After, actor: str, now: datetime) -> None:
    """Suppress the addresses of those who are opted out now, and release those of who opted in. The planner's word is
    about its client, and not about who else has the address."""
    closed: list[tuple[NewStatement, ContactPoint]] = []
    opened: set[tuple[Channel, str]] = set()
    for said in new:
        if said.source is ConsentSource.PLANNER or said.purpose is not Purpose.SERVICE:
            continue
        points, is_open = after.points_of(said), after.is_open(said)
        if is_open:
            opened |= {(said.channel, point.address_index) for point in points}
        else:
            closed += [(said, point) for point in points]
    # The addresses themselves, which were not read before.
    whole = ContactPoint.objects.in_bulk({point.id for _, point in closed})
    suppress(
        [
            Address(said.channel, point.address_index, whole[point.id].address, said.occurred_at)
            for said, point in closed
        ],
        actor=actor,
        now=now,
    )
    release_opted_out(addresses=opened, actor=actor, now=now)


def _tell(new: Sequence[NewStatement], actor: str, now: datetime) -> None:
    entries = [
        audit.Entry(
            "consent.opted_out" if said.state is ConsentState.OPTED_OUT else "consent.granted",
            f"client:{said.client_id}",
            {"kind": said.channel.value, "origin": said.source.value},
        )
        for said in new
    ]
    audit.record_many(entries, actor=actor, now=now)
    publish_many(
        Publication(
            CLIENT_OPTED_OUT,
            subject=f"client:{said.client_id}",
            data={"channel": said.channel.value, "source": said.source.value},
        )
        for said in new
        if said.state is ConsentState.OPTED_OUT
    )
