"""Digests and the messages that they bring together."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from communications.choices import Status
from communications.models import Communication
from communications.selectors.sending import SendJob, load_jobs


@dataclass(frozen=True)
class Membership:
    """The messages that a digest was made of: those that it still holds, as jobs, and whether any has left it."""

    jobs: Sequence[SendJob]
    is_whole: bool


NO_MEMBERS: Final = Membership((), is_whole=True)


def memberships(digest_ids: Collection[UUID]) -> Mapping[UUID, Membership]:
    """By digest. One query for none of them, as many as `load_jobs` and one more for any number."""
    if not digest_ids:
        return MappingProxyType({})
    rows = list(
        Communication.objects.filter(digest_id__in=digest_ids).values_list("id", "digest_id", "status")
    )
    jobs = {job.communication_id: job for job in load_jobs([row[0] for row in rows])}
    return {
        digest_id: Membership(
            [jobs[row] for row, of, status in rows if of == digest_id and status == Status.MERGED],
            is_whole=all(status == Status.MERGED for _, of, status in rows if of == digest_id),
        )
        for digest_id in digest_ids
    }


@dataclass(frozen=True)
class DigestState:
    """How a digest stands, for the pages and answers about its members."""

    id: UUID
    status: Status
    due_at: datetime | None
    sent_at: datetime | None
    call_began: bool

    @property
    def has_begun(self) -> bool:
        """Whether its messages may have gone out, so that nothing can be taken out of it any more."""
        waits = self.status is Status.SCHEDULED or (self.status is Status.SENDING and not self.call_began)
        return not (waits or self.status is Status.CANCELLED)


def digest_states(member_rows: Collection[Communication]) -> Mapping[UUID, DigestState]:
    """The digests of merged messages by their ids. One query, none for none: their state is nowhere copied."""
    ids = {row.digest_id for row in member_rows if row.digest_id and row.status == Status.MERGED}
    if not ids:
        return MappingProxyType({})
    found = Communication.objects.filter(id__in=ids)
    return {
        digest: DigestState(digest, Status(status), due_at, sent_at, began is not None)
        for digest, status, due_at, sent_at, began in found.values_list(
            "id", "status", "due_at", "sent_at", "call_started_at"
        )
    }
