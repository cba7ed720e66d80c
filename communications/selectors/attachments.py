"""The files of requests: what there is of them, and their contents where they are needed."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import Sum

from communications.agents.email import MailPart
from communications.models import Attachment, RequestAttachment
from communications.selectors.sending import SendJob
from core.choices import Channel
from core.errors import NotFound, Unreadable
from core.logs import get_logger
from core.sealing import SecretKey, load_keys, unseal, unseal_file

log = get_logger("attachments")


@dataclass(frozen=True)
class AttachmentEntry:
    """A file of a communication without its content. `filename` None: it may not be read, or cannot any more."""

    id: int
    filename: str | None
    media_type: str
    size_bytes: int
    made_by_us: bool


@dataclass(frozen=True)
class OpenedFile:
    """A file with its content."""

    filename: str
    media_type: str
    content: bytes = field(repr=False)


def attachments_of(request_id: UUID, key: SecretKey | None) -> list[AttachmentEntry]:
    """The files of a request in their order; their names with the client's key. One query, no contents."""
    rows = RequestAttachment.objects.filter(request_id=request_id).order_by("position")
    return [
        AttachmentEntry(
            id=row.id,
            filename=unseal(RequestAttachment, "filename", row.filename, key) if key else None,
            media_type=row.attachment.media_type,
            size_bytes=row.attachment.size_bytes,
            made_by_us=row.made_by_us,
        )
        for row in rows.select_related("attachment").defer("attachment__content")
    ]


def open_attachment(*, communication_id: UUID, attachment_id: int) -> OpenedFile:
    """A file of a communication. Raises NotFound, also when nothing opens it any more because its client was erased."""
    row = (
        RequestAttachment.objects.filter(id=attachment_id, request__communications=communication_id)
        .select_related("attachment__client")
        .first()
    )
    if row is None:
        raise NotFound("This message has no such attachment.", code="attachment_not_found")
    data_key_id = row.attachment.client.data_key_id
    key = load_keys([data_key_id]).get(data_key_id)
    if key is None:
        raise NotFound("The client was erased, and this file with them.", code="attachment_erased")
    return OpenedFile(
        filename=unseal(RequestAttachment, "filename", row.filename, key),
        media_type=row.attachment.media_type,
        content=unseal_file(Attachment, "content", row.attachment.content, key),
    )


def _carries_files(job: SendJob) -> bool:
    return job.attachment_count > 0 and job.channel is Channel.EMAIL


def attachment_bytes(jobs: Iterable[SendJob]) -> Mapping[UUID, int]:
    """What the files of each job's request weigh, by the request's id. One query, none where no job has files."""
    wanted = {job.request_id for job in jobs if _carries_files(job)}
    if not wanted:
        return {}
    rows = RequestAttachment.objects.filter(request_id__in=wanted).values_list("request_id")
    return dict(rows.annotate(Sum("attachment__size_bytes")))


def load_parts(jobs: Collection[SendJob]) -> Mapping[UUID, Sequence[MailPart]]:
    """The files of each job's request as parts of a mail, by the request's id: one query, none where no job has files.

    What cannot be opened is left out: whoever composes counts. All of it is in memory at once, so give it few jobs.
    """
    keys = {job.request_id: job.key for job in jobs if _carries_files(job)}
    if not keys:
        return {}
    rows = RequestAttachment.objects.filter(request_id__in=keys).order_by("request_id", "position")
    parts: dict[UUID, list[MailPart]] = defaultdict(list)
    opened: dict[UUID, bytes] = {}
    for row in rows.select_related("attachment"):
        key = keys[row.request_id]
        if key is None:
            continue
        try:
            content = opened.get(row.attachment_id)
            if content is None:
                content = unseal_file(Attachment, "content", row.attachment.content, key)
                opened[row.attachment_id] = content
            name = unseal(RequestAttachment, "filename", row.filename, key)
        except Unreadable as error:
            log.error("attachment not readable", request_id=str(row.request_id), error_code=error.code)
            continue
        parts[row.request_id].append(MailPart(name, row.attachment.media_type, content))
    return parts
