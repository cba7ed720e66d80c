"""What consent and suppression allow, for a whole batch in one query; and the evidence of it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection

from clients.choices import CONTACT_KIND_OF, ContactKind
from clients.models import ContactPoint
from core.choices import Channel, Purpose
from core.pipelines import Query
from preferences.choices import ConsentSource, ConsentState
from preferences.rules.consent import Decision, Statement, decide, open_by_default

Points = Mapping[tuple[UUID, ContactKind], ContactPoint]

# Two questions in one round trip: what was said of these clients, and which of these addresses are suppressed.
_ASKED: Final = """
    SELECT id, client_id, contact_point_id, channel, state, source, occurred_at, NULL
      FROM crm_consent_entries WHERE client_id = ANY(%s) AND purpose = %s AND NOT is_default
    UNION ALL
    SELECT NULL, NULL, NULL, channel, NULL, NULL, NULL, address_index
      FROM crm_suppressions WHERE address_index = ANY(%s) AND released_at IS NULL
"""
# The same for clients who are known by reference, and for addresses that they are about to get: for acceptance, which
# sends it with its other questions.
_ASKED_BY_REFERENCE: Final = """
    SELECT e.id, e.client_id, e.contact_point_id, e.channel, e.state, e.source, e.occurred_at, NULL::text
      FROM crm_clients c JOIN crm_consent_entries e ON e.client_id = c.id AND NOT e.is_default
     WHERE c.reference = ANY(%s) AND e.purpose = 'service'
    UNION ALL
    SELECT NULL, NULL, NULL, channel, NULL, NULL, NULL, address_index
      FROM crm_suppressions WHERE address_index = ANY(%s) AND released_at IS NULL
    UNION ALL
    SELECT NULL, NULL, NULL, s.channel, NULL, NULL, NULL, s.address_index
      FROM crm_clients c JOIN crm_contact_points p ON p.client_id = c.id AND p.replaced_at IS NULL
      JOIN crm_suppressions s ON s.address_index = p.address_index AND s.released_at IS NULL
     WHERE c.reference = ANY(%s)
"""


@dataclass(frozen=True)
class Consent:
    """What one client's channels stand at. `allowed`: they may be used. `suppressed`: the ledger would allow them, but
    the address is not to be written to."""

    allowed: frozenset[Channel]
    suppressed: frozenset[Channel]
    decisions: Mapping[Channel, Decision] = field(default_factory=dict)


@dataclass(frozen=True)
class Said:
    """What the database holds that bears on a batch: statements by client and channel, suppressed addresses."""

    statements: Mapping[tuple[UUID, Channel], Collection[Statement]]
    suppressed: Collection[tuple[Channel, str]]

    def consent_of(
        self,
        client_id: UUID,
        points: Mapping[ContactKind, ContactPoint],
        *,
        more: Mapping[Channel, Collection[Statement]] | None = None,
        purpose: Purpose = Purpose.SERVICE,
    ) -> Consent:
        """`points` are the client's current ones; `more` is what is about to be said beside what is stored."""
        decisions, allowed, suppressed = {}, set(), set()
        for channel in Channel:
            point = points.get(CONTACT_KIND_OF[channel])
            said = [*self.statements.get((client_id, channel), ()), *(more or {}).get(channel, ())]
            decision = decide(
                said,
                contact_point_id=point.id if point is not None else None,
                open_by_default=is_open_by_default(channel, purpose),
            )
            decisions[channel] = decision
            if not decision.is_open:
                continue
            if point is not None and (channel, point.address_index) in self.suppressed:
                suppressed.add(channel)
            else:
                allowed.add(channel)
        return Consent(frozenset(allowed), frozenset(suppressed), decisions)


def is_open_by_default(channel: Channel, purpose: Purpose = Purpose.SERVICE) -> bool:
    """Marketing is closed until it is granted."""
    return purpose is Purpose.SERVICE and open_by_default(channel, whatsapp=settings.CRM_WHATSAPP_OPT_IN)


def load_said(
    client_ids: Collection[UUID], points: Iterable[ContactPoint], *, purpose: Purpose = Purpose.SERVICE
) -> Said:
    """One query for all of them. `points` are their current contact points, stored or about to be."""
    indexes = {point.address_index for point in points}
    with connection.cursor() as cursor:
        cursor.execute(_ASKED, [list(client_ids), purpose.value, list(indexes)])
        return read_said(cursor.fetchall())


def said_query(client_references: Sequence[str], address_indexes: Sequence[str]) -> Query:
    """What `read_said` reads: of service messages to these clients, at their current addresses and at these."""
    return _ASKED_BY_REFERENCE, [list(client_references), list(address_indexes), list(client_references)]


def read_said(rows: Iterable[tuple[Any, ...]]) -> Said:
    statements: dict[tuple[UUID, Channel], list[Statement]] = defaultdict(list)
    suppressed: set[tuple[Channel, str]] = set()
    for entry_id, client_id, point_id, channel, state, source, occurred_at, index in rows:
        if index is not None:
            suppressed.add((Channel(channel), index))
            continue
        said = Statement(ConsentState(state), ConsentSource(source), occurred_at, point_id, entry_id)
        statements[client_id, Channel(channel)].append(said)
    return Said(statements, suppressed)


def consents(client_ids: Collection[UUID], points: Points) -> dict[UUID, Consent]:
    """What holds for service messages to these clients at their current contact `points`. One query."""
    said = load_said(client_ids, points.values())
    by_client: dict[UUID, dict[ContactKind, ContactPoint]] = defaultdict(dict)
    for (client_id, kind), point in points.items():
        by_client[client_id][kind] = point
    return {client_id: said.consent_of(client_id, by_client.get(client_id, {})) for client_id in client_ids}


def allowed_channels(
    client_ids: Collection[UUID], points: Points | None = None
) -> dict[UUID, frozenset[Channel]]:
    """The channels on which these clients may be written to for service messages: one query, and one more where their
    current contact points are not at hand."""
    known = current_points(client_ids) if points is None else points
    return {client_id: consent.allowed for client_id, consent in consents(client_ids, known).items()}


def current_points(client_ids: Collection[UUID]) -> dict[tuple[UUID, ContactKind], ContactPoint]:
    """Without their addresses, which cost more to open than everything else here."""
    rows = ContactPoint.objects.filter(client_id__in=client_ids, replaced_at__isnull=True).defer("address")
    return {(row.client_id, ContactKind(row.kind)): row for row in rows}
