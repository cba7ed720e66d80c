"""Suppressing by hand and by file, and the file of everything that is suppressed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import transaction

from clients.addresses import address_index, normalise_email, normalise_phone
from clients.choices import CONTACT_KIND_OF, ContactKind
from clients.models import ContactPoint
from clients.services.gate import bump_gate
from core import audit
from core.choices import Channel
from core.errors import FieldProblem, Invalid
from preferences.choices import ConsentSource, ConsentState, SuppressionReason
from preferences.models import Suppression
from preferences.rules import wordings
from preferences.rules.suppression_file import COLUMNS, FileLine, read_lines, write_line
from preferences.services.consent import NewStatement, record_statements
from preferences.services.suppression import Address, clients_at, suppress

MAX_SHOWN_PROBLEMS: Final = 100
_CHUNK: Final = 2_000


@dataclass(frozen=True, slots=True)
class Imported:
    """How many addresses on channels are new, and how many were suppressed already."""

    added: int
    already: int


def import_list(*, content: bytes, actor: str, now: datetime) -> Imported:
    """Suppress all that the file names, or nothing: raises Invalid with the first problems, each with its line."""
    read = read_lines(content, now=now)
    problems, addresses = list(read.problems), []
    for line in read.lines:
        try:
            addresses += _addresses(line, now)
        except Invalid as refusal:
            problems += [
                FieldProblem(f"line {line.number}", each.code, each.message) for each in refusal.problems
            ]
    if problems:
        problems.sort(key=lambda each: int(each.field.partition(" ")[2] or 0))
        raise Invalid(problems[:MAX_SHOWN_PROBLEMS], detail=f"{len(problems)} lines cannot be read.")
    return _suppress_all(addresses, actor, now, action="suppression.imported")


def suppress_address(
    *, address: str, channels: Sequence[Channel], reason: SuppressionReason, actor: str, now: datetime
) -> Imported:
    """One address, on the channels named that it serves. Raises Invalid."""
    lines = [FileLine(1, address, "", channel, reason, None) for channel in channels]
    return _suppress_all([each for line in lines for each in _addresses(line, now)], actor, now, action="")


def export_lines(*, actor: str, now: datetime) -> Iterator[str]:
    """The file of all that is suppressed, line by line; audited. Where only the hash is left, it stands alone."""
    rows = Suppression.objects.filter(released_at__isnull=True).order_by("created_at", "id")
    audit.record(
        actor=actor,
        action="suppression.exported",
        target="suppressions:all",
        details={"occurrences": rows.count()},
        now=now,
    )
    return _lines_of(rows.iterator(chunk_size=_CHUNK))


def _lines_of(rows: Iterator[Suppression]) -> Iterator[str]:
    yield write_line(COLUMNS)
    for row in rows:
        yield write_line(
            [row.address or "", row.address_index, row.channel, row.reason, row.occurred_at.isoformat()]
        )


def _addresses(line: FileLine, now: datetime) -> list[Address]:
    """Those that a line means. Raises Invalid."""
    since = line.since or now
    if line.address_hash and line.channel is not None:
        return [Address(line.channel, line.address_hash, None, since, line.reason)]
    if "@" in line.address:
        kind, address = ContactKind.EMAIL, normalise_email(line.address, field="address")
    else:
        kind = ContactKind.PHONE
        address = normalise_phone(line.address, region=settings.CRM_DEFAULT_REGION, field="address")
    served = [channel for channel in Channel if CONTACT_KIND_OF[channel] is kind]
    if line.channel is not None and line.channel not in served:
        message = "An e-mail address takes no SMS or WhatsApp, and a phone number no e-mail."
        raise Invalid([FieldProblem("channel", "wrong_channel", message)])
    index = address_index(address, kind=kind)
    channels = [line.channel] if line.channel is not None else served
    return [Address(channel, index, address, since, line.reason) for channel in channels]


def _suppress_all(addresses: Sequence[Address], actor: str, now: datetime, *, action: str) -> Imported:
    unique = {(each.channel, each.address_index): each for each in addresses}
    with transaction.atomic():
        indexes = list({index for _, index in unique})
        touched = {
            client
            for start in range(0, len(indexes), _CHUNK)
            for client in clients_at(indexes[start : start + _CHUNK])
        }
        bump_gate(client_ids=touched)
        ordered = [unique[place] for place in sorted(unique)]
        added = sum(
            len(suppress(ordered[start : start + _CHUNK], actor=actor, now=now))
            for start in range(0, len(ordered), _CHUNK)
        )
        record_statements(statements=_opt_outs(unique), actor=actor, now=now)
        if action:
            audit.record(
                actor=actor, action=action, target="suppressions:all", details={"occurrences": added}, now=now
            )
    return Imported(added, len(unique) - added)


def _opt_outs(addresses: "dict[tuple[Channel, str], Address]") -> list[NewStatement]:
    """An opt-out of a list follows its clients to their next address, as every other."""
    opted_out = {
        place: each for place, each in addresses.items() if each.reason is SuppressionReason.OPTED_OUT
    }
    indexes = list({index for _, index in opted_out})
    points = [
        point
        for start in range(0, len(indexes), _CHUNK)
        for point in ContactPoint.objects.filter(
            address_index__in=indexes[start : start + _CHUNK], replaced_at__isnull=True
        ).defer("address")
    ]
    return [
        NewStatement(
            client_id=point.client_id,
            channel=channel,
            state=ConsentState.OPTED_OUT,
            source=ConsentSource.IMPORT,
            wording=wordings.IMPORTED,
            occurred_at=opted_out[channel, point.address_index].since,
            contact_point_id=point.id,
        )
        for point in points
        for channel in Channel
        if (channel, point.address_index) in opted_out
    ]
