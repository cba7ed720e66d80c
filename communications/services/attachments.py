"""The files of requests as rows: each stored once per client, sealed with the client's key."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from communications.choices import MessageType
from communications.models import Attachment, CommunicationRequest, RequestAttachment
from communications.rules import blueprint
from communications.rules.files import AttachedFile
from communications.services.commands import SubmitCommand
from core.copying import copy_in, copy_now
from core.crypto import keyed_hash
from core.errors import FieldProblem
from core.sealing import SecretKey, seal, seal_file

DOCUMENTS_TASK: Final = "communications.make_documents"


@dataclass(frozen=True, slots=True)
class Attached:
    """The files of one new request, in their order, and its client's key."""

    request: CommunicationRequest
    key: SecretKey
    files: Sequence[AttachedFile]
    made_by_us: bool = False


def problems_of(command: SubmitCommand) -> list[FieldProblem]:
    """What is wrong with the files of a request, or missing."""
    if command.attachments and not command.files:
        # Left alone because its key had an answer, which has run out since.
        return [FieldProblem("attachments", "not_collected", "Send the request once more.")]
    if command.message_type is not MessageType.BLUEPRINT_DELIVERY:
        return []
    return blueprint.blueprint_problems(command.context, comes_as_pdf=blueprint.has_pdf(command.files))


def announce(request: CommunicationRequest, command: SubmitCommand) -> None:
    """Says on a new request how many files will go with it, the blueprint that is made of its text included."""
    request.document_pending = (
        command.message_type is MessageType.BLUEPRINT_DELIVERY
        and not blueprint.has_pdf(command.files)
        and blueprint.text_of(command.context) is not None
    )
    request.attachment_count = len(command.files) + request.document_pending


def store(attached: Sequence[Attached], *, now: datetime) -> None:
    """Stores files and that they belong to their requests. Call it with the clients' rows or the requests' locked."""
    if not attached:
        return
    ids = _known_ids(attached)
    missing: dict[tuple[UUID, str], tuple[AttachedFile, SecretKey]] = {}
    links: list[dict[str, Any]] = []
    for each in attached:
        # What we make comes last, behind what the caller gave.
        first = each.request.attachment_count - len(each.files) if each.made_by_us else 0
        for position, file in enumerate(each.files, start=first):
            same = (each.request.client_id, _content_hash(each.request.client_id, file))
            if same not in ids:
                ids[same] = uuid4()
                missing[same] = (file, each.key)
            links.append(
                {
                    "request_id": each.request.id,
                    "attachment_id": ids[same],
                    "position": position,
                    "filename": seal(RequestAttachment, "filename", file.filename, each.key),
                    "made_by_us": each.made_by_us,
                }
            )
    if missing:
        copy_now(
            Attachment,
            (
                {
                    "id": ids[same],
                    "client_id": same[0],
                    "content_hash": same[1],
                    "media_type": file.media_type,
                    "size_bytes": len(file.content),
                    # Sealed as it is written: one file for each of many clients takes the room of one.
                    "content": seal_file(Attachment, "content", file.content, key),
                    "created_at": now,
                }
                for same, (file, key) in missing.items()
            ),
        )
    copy_in(RequestAttachment, links)


def _known_ids(attached: Sequence[Attached]) -> dict[tuple[UUID, str], UUID]:
    wanted = {
        _content_hash(each.request.client_id, file): each.request.client_id
        for each in attached
        for file in each.files
    }
    rows = Attachment.objects.filter(client_id__in=set(wanted.values()), content_hash__in=list(wanted))
    return {
        (client_id, content_hash): identifier
        for identifier, client_id, content_hash in rows.values_list("id", "client_id", "content_hash")
    }


def _content_hash(client_id: UUID, file: AttachedFile) -> str:
    return keyed_hash(f"{client_id} {file.digest}", purpose="attachment")


def copy_to(request: CommunicationRequest, *, origin_id: UUID) -> None:
    """A request that repeats another one carries the same files."""
    rows = RequestAttachment.objects.filter(request_id=origin_id)
    copy_in(
        RequestAttachment,
        (
            {**row, "request_id": request.id}
            for row in rows.values("attachment_id", "position", "filename", "made_by_us")
        ),
    )
