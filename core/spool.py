"""The spool: what was accepted while the database was away waits, sealed, in the broker's server, and is stored
in its order when the database is back (engine.md §When parts fail, REL-5).

Each app registers how its kind of entry is stored: many together, as they would be one by one. An entry is stored
once: its row in crm_spooled_entries and what it leads to are one transaction, and it leaves the stream only after the
commit.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from core import attention, clock
from core.crypto import keyed_hash
from core.database import DATABASE_AWAY, is_away
from core.errors import Unavailable
from core.logs import get_logger
from core.models.spool import SpooledEntry
from core.sealing import seal_for_installation, unseal_for_installation
from core.spool_stream import Known, Place, Stream, StreamError, ToAdd, has_stream, stream_at
from core.wake import ring

logger = get_logger("spool")

DRAIN_TASK: Final = "core.drain_spool"
PARKED: Final = "spool_parked"
KEPT_FOR: Final = timedelta(days=30)
# So many entries are stored by one transaction.
BATCH = 200
_FAILURES_BEFORE_PARKING: Final = 3
# One that took its worker down so often, without a word, is not tried again.
_TRIES_BEFORE_PARKING: Final = 10
_FORGET_LIMIT: Final = 5_000


@dataclass(frozen=True)
class Entry:
    """What was accepted. `id` was told to the caller; `received_at` is real time; `body` is JSON."""

    id: UUID
    kind: str
    caller: str
    received_at: datetime
    body: Any


@dataclass(frozen=True)
class Once:
    """A name under which an entry is added once a day, and what it came with, so that another use shows."""

    name: str
    fingerprint: str = ""


@dataclass(frozen=True)
class Added:
    """`new` False: the entry `id` came before under the same name; `differs`: with another fingerprint."""

    id: UUID
    new: bool
    differs: bool = False


# Stores entries in their order, inside the transaction that marks them as dealt with; `now` is the product's clock.
# False for one: it turned out not to be possible, and the handler has told whom it concerns. What it raises is a
# failure and rolls all of them back; they are then given to it one by one.
Handler = Callable[[Sequence[Entry], datetime], Sequence[bool]]

_handlers: dict[str, Handler] = {}


def register(kind: str, handler: Callable[[Entry, datetime], bool]) -> None:
    """Called when the app is ready; the name is for good, entries carry it. For kinds whose entries are few: each is
    given to the handler by itself."""
    register_many(kind, lambda entries, now: [handler(entry, now) for entry in entries])


def register_many(kind: str, handler: Handler) -> None:
    """As `register`, for kinds whose entries may be thousands and are stored together."""
    _handlers[kind] = handler


def is_configured() -> bool:
    """Whether the broker's server has streams; RabbitMQ has none."""
    return has_stream(settings.BROKER_URL)


def _stream() -> Stream:
    return stream_at(settings.BROKER_URL, settings.CRM_SPOOL_NAME)


def add(*, entry: Entry, once: Once | None = None) -> Added:
    """As `add_many` for one."""
    (added,) = add_many([(entry, once)])
    return added


def add_many(entries: Sequence[tuple[Entry, Once | None]]) -> list[Added]:
    """Seals the entries and appends them, all or none. Raises Unavailable when that cannot be done either, or it is
    full.

    Without a name of its own the id of an entry is the name, so that adding it again after a lost answer is harmless.
    """
    if not entries:
        return []
    sealed = [_sealed(entry, once) for entry, once in entries]
    try:
        found = _stream().add(sealed)
    except (StreamError, OSError) as error:
        logger.warning("spool not available", error=error)
        raise Unavailable(
            "Neither the database nor its stand-in can take this right now. Nothing was stored; try again after "
            "Retry-After seconds."
        ) from error
    added = [_added(each.known_as, known) for each, known in zip(sealed, found, strict=True)]
    logger.info("entries spooled", count=sum(each.new for each in added))
    return added


def _sealed(entry: Entry, once: Once | None) -> ToAdd:
    name, fingerprint = (f"name {once.name}", once.fingerprint) if once else (f"id {entry.id}", "")
    once_key = keyed_hash(f"{entry.caller}\n{name}", purpose="spool_once")
    received_at = entry.received_at.isoformat()
    fields: dict[str, str | bytes] = {
        "id": str(entry.id),
        "kind": entry.kind,
        "caller": entry.caller,
        "received_at": received_at,
        "once": once_key,
        "sealed": seal_for_installation(
            _seal_place(str(entry.id), entry.kind, entry.caller, received_at), entry.body
        ),
    }
    return ToAdd(fields, once_key, Known(entry.id, fingerprint))


def _added(ours: Known, known: Known | None) -> Added:
    if known is None:
        return Added(ours.entry_id, new=True)
    return Added(known.entry_id, new=False, differs=known.fingerprint != ours.fingerprint)


def holds_back() -> bool:
    """Whether nothing may be claimed yet, because entries wait: an opt-out may be among them.

    A broker that is away takes no entries, so what this process saw there last still holds, and due messages go on
    without it. A process that never saw it waits.
    """
    if not is_configured():
        return False
    stream = _stream()
    try:
        return stream.count_waiting() > 0
    except (StreamError, OSError) as error:
        logger.warning("spool not seen, what was seen last holds", error=error)
        return stream.last_seen_waiting != 0


def count_waiting() -> int:
    """Raises StreamError."""
    return _stream().count_waiting()


def count_parked() -> int:
    """Raises StreamError."""
    return _stream().count_parked()


def drain(*, seconds: float = 5.0) -> int:
    """Stores what waits, in its order; returns how many entries left the stream.

    Any number of workers may run it: the rows of entries let one at a time through, and others are read only when
    those before them are gone. It stops at an entry that fails, to try again with the next sweep, and at once
    when the database is away.
    """
    if not is_configured():
        return 0
    stream, until, done = _stream(), time.monotonic() + seconds, 0
    try:
        while places := stream.list_waiting(BATCH):
            if time.monotonic() > until:
                ring(DRAIN_TASK)
                break
            left, goes_on = _deal_with(stream, places, until)
            done += left
            if not goes_on:
                break
    except StreamError as error:
        # What was stored is known by its row; what was not waits on.
        logger.warning("spool not drained, the broker is away", error=error)
    return done


def _deal_with(stream: Stream, places: Sequence[Place], until: float) -> tuple[int, bool]:
    """How many of the first of them have left the stream, stored or parked, and whether the next may be tried now."""
    together = _untried(stream, places)
    if len(together) > 1:
        stream.count_tries(together)
        try:
            _store(stream, together)
        except Exception as error:
            # One of them fails: which, is found out one by one, and costs the others none of their tries.
            stream.count_tries(together, by=-1)
            if _is_outage(error):
                return 0, False
            logger.warning("entries not stored together", count=len(together))
        else:
            return len(together), True
    left = 0
    for place in together or places[:1]:
        if time.monotonic() > until:
            break
        if not _deal_with_one(stream, place):
            return left, False
        left += 1
    return left, True


def _untried(stream: Stream, places: Sequence[Place]) -> list[Place]:
    """The first of them that are of one kind and were never tried: one that took its worker down is tried alone."""
    kind, tries = _text(places[0], "kind"), stream.tries_of(places)
    untried = takewhile(
        lambda each: not each[1] and _text(each[0], "kind") == kind, zip(places, tries, strict=True)
    )
    return [place for place, _ in untried]


def _deal_with_one(stream: Stream, place: Place) -> bool:
    """True: the entry has left the stream, stored or parked."""
    stream.count_tries([place])
    (tries,) = stream.tries_of([place])
    if tries > _TRIES_BEFORE_PARKING:
        return _park(stream, place)
    try:
        _store(stream, [place])
    except Exception as error:
        # Whatever it is, the entries behind it must get their turn.
        if _is_outage(error):
            stream.count_tries([place], by=-1)
            return False
        logger.exception("entry not stored", request_id=_text(place, "id"))
        return tries >= _FAILURES_BEFORE_PARKING and _park(stream, place)
    return True


def _is_outage(error: Exception) -> bool:
    return isinstance(error, DATABASE_AWAY) and is_away()


def _store(stream: Stream, places: Sequence[Place]) -> None:
    """Those of one kind, all or none; then they leave the stream."""
    entries = [_open(place) for place in places]
    with transaction.atomic():
        ours = _take(entries)
        kept = _handlers[entries[0].kind](ours, clock.now()) if ours else []
    refused = {entry.id for entry, is_kept in zip(ours, kept, strict=True) if not is_kept}
    stream.forget([_text(place, "once") for place in places if UUID(_text(place, "id")) in refused])
    stream.remove(places)


def _take(entries: Sequence[Entry]) -> list[Entry]:
    """Those that nobody has stored. Waits for another worker that is at it."""
    columns = [(entry.id, entry.kind, entry.caller, entry.received_at) for entry in entries]
    with connection.cursor() as sql:
        # In their order, so that two workers wait for each other and never in a ring.
        sql.execute(
            "INSERT INTO crm_spooled_entries (id, kind, caller, received_at, settled_at)"
            " SELECT id, kind, caller, received_at, clock_timestamp()"
            " FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[])"
            " WITH ORDINALITY AS given(id, kind, caller, received_at, place)"
            " ORDER BY place ON CONFLICT DO NOTHING RETURNING id",
            [list(values) for values in zip(*columns, strict=True)],
        )
        ours = {row[0] for row in sql.fetchall()}
    return [entry for entry in {entry.id: entry for entry in entries}.values() if entry.id in ours]


def _park(stream: Stream, place: Place) -> bool:
    identifier = _text(place, "id")
    attention.raise_item(
        kind=PARKED,
        dedupe_key=identifier,
        target=f"spool:{identifier}",
        details={"kind": _text(place, "kind")},
        now=clock.now(),
    )
    stream.park(place)
    return True


@dataclass(frozen=True)
class Listed:
    """An entry as it may be shown: without its body."""

    id: UUID
    kind: str
    caller: str
    received_at: str
    parked: bool


def list_entries(*, limit: int = 100) -> list[Listed]:
    """The oldest that wait and that are parked. Raises StreamError."""
    stream = _stream()
    waiting, parked = stream.list_waiting(limit), stream.list_parked(limit)
    return [_listed(place, parked=False) for place in waiting] + [
        _listed(place, parked=True) for place in parked
    ]


def replay(ids: Collection[UUID] | None) -> int:
    """Parked entries, all or these, wait again, behind the others; returns how many. Raises StreamError."""
    stream = _stream()
    chosen = [
        place for place in stream.list_parked(limit=100_000) if ids is None or UUID(_text(place, "id")) in ids
    ]
    for place in chosen:
        stream.replay(place)
    attention.settle(kind=PARKED, dedupe_keys=[_text(place, "id") for place in chosen], now=clock.now())
    return len(chosen)


def forget_old() -> None:
    """Deletes parked entries, and the rows of those that were stored, after 30 days."""
    if is_configured():
        forgotten = _stream().forget_parked(older_than=KEPT_FOR)
        if forgotten:
            logger.warning("parked entries deleted after their time", count=forgotten)
    old = SpooledEntry.objects.filter(settled_at__lt=timezone.now() - KEPT_FOR)
    SpooledEntry.objects.filter(id__in=old.values("id")[:_FORGET_LIMIT]).delete()


def _open(place: Place) -> Entry:
    identifier, kind, caller, received_at = (
        _text(place, name) for name in ("id", "kind", "caller", "received_at")
    )
    body = unseal_for_installation(_seal_place(identifier, kind, caller, received_at), place.fields["sealed"])
    return Entry(UUID(identifier), kind, caller, datetime.fromisoformat(received_at), body)


def _seal_place(identifier: str, kind: str, caller: str, received_at: str) -> str:
    """What is in clear is bound to what is sealed."""
    return "\n".join(("spool", identifier, kind, caller, received_at))


def _listed(place: Place, *, parked: bool) -> Listed:
    return Listed(
        id=UUID(_text(place, "id")),
        kind=_text(place, "kind"),
        caller=_text(place, "caller"),
        received_at=_text(place, "received_at"),
        parked=parked,
    )


def _text(place: Place, name: str) -> str:
    return place.fields[name].decode()
