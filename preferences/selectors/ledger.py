"""The ledger as evidence: everything that was said about a client, and what allowed a message that was sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from clients.models import Client, ContactPoint
from core.choices import Channel, Purpose
from core.sealing import load_keys, unseal
from preferences.choices import ConsentSource, ConsentState
from preferences.models import ConsentEntry
from preferences.rules import wordings
from preferences.rules.consent import Statement, decide
from preferences.selectors.consent import is_open_by_default


@dataclass(frozen=True)
class LedgerEntry:
    """A line of the ledger; `words` are those that it was said with, `ip` where it came from, None where nobody noted
    it and once the client was erased."""

    row: ConsentEntry
    words: str
    ip: str | None


@dataclass(frozen=True)
class Basis:
    """What allowed a message: who said so, when, with which words. `entry_id` None: the address is older than the
    ledger, and the default held."""

    channel: Channel
    source: ConsentSource
    actor: str
    occurred_at: datetime
    wording: str
    words: str
    entry_id: int | None = None


def ledger_of(client_id: UUID) -> list[LedgerEntry]:
    """The newest first. Three queries."""
    rows = list(ConsentEntry.objects.filter(client_id=client_id).order_by("-occurred_at", "-id"))
    key_id = Client.objects.values_list("data_key_id", flat=True).get(id=client_id)
    key = load_keys([key_id]).get(key_id) if any(row.ip for row in rows) else None
    return [
        LedgerEntry(
            row,
            wordings.WORDINGS.get(row.wording, ""),
            unseal(ConsentEntry, "ip", row.ip, key) if key is not None else None,
        )
        for row in rows
    ]


def basis_of(
    *, client_id: UUID, contact_point_id: UUID | None, channel: Channel, at: datetime
) -> Basis | None:
    """What allowed a service message that was sent to this contact point at `at` (the product's clock). Two queries.

    None: nothing that is known. What was being recorded at that very instant may stand in the ledger as earlier than
    the call that it came too late for; so the newest grant counts, not whether an opt-out came between.
    """
    rows = list(
        ConsentEntry.objects.filter(
            client_id=client_id, channel=channel, purpose=Purpose.SERVICE, recorded_at__lte=at
        )
        .order_by("id")
        .defer("ip")
    )
    own = [row for row in rows if row.contact_point_id == contact_point_id]
    deciding = _deciding(rows, contact_point_id, channel)
    granted = deciding or next((row for row in reversed(own) if row.state == ConsentState.GRANTED), None)
    if granted is not None:
        return Basis(
            channel=channel,
            source=ConsentSource(granted.source),
            actor=granted.actor,
            occurred_at=granted.occurred_at,
            wording=granted.wording,
            words=wordings.WORDINGS.get(granted.wording, ""),
            entry_id=granted.id,
        )
    return _default(contact_point_id, channel)


def _deciding(
    rows: Sequence[ConsentEntry], contact_point_id: UUID | None, channel: Channel
) -> ConsentEntry | None:
    said = [
        Statement(
            ConsentState(row.state), ConsentSource(row.source), row.occurred_at, row.contact_point_id, row.id
        )
        for row in rows
        if not row.is_default
    ]
    decision = decide(said, contact_point_id=contact_point_id, open_by_default=is_open_by_default(channel))
    if decision.by is None or decision.by.state is ConsentState.OPTED_OUT:
        return None
    return next(row for row in rows if row.id == decision.by.entry_id)


def _default(contact_point_id: UUID | None, channel: Channel) -> Basis | None:
    if contact_point_id is None or not is_open_by_default(channel):
        return None
    point = ContactPoint.objects.filter(id=contact_point_id).only("created_at").first()
    if point is None:
        return None
    return Basis(
        channel=channel,
        source=ConsentSource.PLANNER,
        actor="",
        occurred_at=point.created_at,
        wording=wordings.CONTACT_DATA,
        words=wordings.WORDINGS[wordings.CONTACT_DATA],
    )
