"""Requests that come while the database is away: checked as far as that goes without it, spooled, and stored later
by the same form that every request passes."""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from rest_framework.exceptions import ValidationError

from communications.api.attachment_fields import with_digests
from communications.api.forms import idempotency_of, submit_command
from communications.choices import AttentionKind
from communications.rules.context import normalise_context
from communications.rules.files import AttachedFile
from communications.selectors.detail import request_exists
from communications.services import idempotency
from communications.services.commands import GivenAttachment, Idempotency, SubmitCommand
from communications.services.recipient import contact_details
from communications.services.submit import Submitted, submit
from core import attention, spool
from core.api.problems import field_problems
from core.errors import Conflict, Invalid

KIND: Final = "communication"


def register() -> None:
    """Called once, when the app is ready."""
    spool.register(KIND, store_spooled)


def spool_request(
    *, body: Any, command: SubmitCommand, caller: str, request_id: UUID, idempotency_key: Idempotency | None
) -> Submitted:
    """Accept a request whose submitting met a database that is away. `body` is what `command` was read from.

    The same `Idempotency-Key` gets the same answer, as it does with the database. Raises Invalid for what can be told
    without it, and Unavailable when the spool is away too.
    """
    contact_details(command, normalise_context(command.context, plan_reference=command.plan_reference))
    key = idempotency_key.key if idempotency_key else None
    spooled = {"request": with_digests(body), "key": key, "files": [_packed(each) for each in command.files]}
    entry = spool.Entry(request_id, KIND, caller, received_at=datetime.now(UTC), body=spooled)
    once = (
        spool.Once(idempotency_key.key, idempotency.body_hash(idempotency_key)) if idempotency_key else None
    )
    added = spool.add(entry=entry, once=once)
    if added.differs:
        raise idempotency.key_reused()
    return Submitted(added.id, duplicate=not added.new)


def store_spooled(entry: spool.Entry, now: datetime) -> bool:
    """Submits it under the id that its caller was told; a handler of the spool.

    When it goes out is decided by `now`, the time of storing: what the caller wished for at `received_at` may not be
    allowed any more. A request that cannot be stored becomes an item for staff: its caller believes that it can.
    """
    if request_exists(entry.id):
        return True  # the database went away after the commit and before the answer
    body = entry.body["request"]
    try:
        submit(
            command=_command_of(body, entry.body.get("files", ())),
            caller=entry.caller,
            now=now,
            idempotency_key=idempotency_of(entry.body["key"], body),
            request_id=entry.id,
        )
    except (Invalid, ValidationError) as refusal:
        codes = sorted({f"{problem.field}:{problem.code}" for problem in field_problems(refusal)})
    except Conflict as refusal:
        if refusal.code == idempotency.KEY_IN_USE:
            raise  # its caller repeats it at this moment
        codes = [refusal.code]
    else:
        return True
    _tell_staff(entry, body, codes, now)
    return False


def _packed(file: AttachedFile) -> dict[str, str]:
    return {
        "filename": file.filename,
        "media_type": file.media_type,
        "content": b64encode(file.content).decode("ascii"),
        "digest": file.digest,
    }


def _command_of(body: Mapping[str, Any], packed: Sequence[Mapping[str, str]]) -> SubmitCommand:
    """The command with the files that were collected when it was accepted: nothing is fetched again."""
    command = submit_command({name: value for name, value in body.items() if name != "attachments"})
    files = tuple(
        AttachedFile(each["filename"], each["media_type"], b64decode(each["content"]), each["digest"])
        for each in packed
    )
    given = tuple(
        GivenAttachment(where=f"attachments.{place}") for place in range(len(body.get("attachments") or ()))
    )
    return replace(command, attachments=given, files=files)


def _tell_staff(entry: spool.Entry, body: Mapping[str, Any], codes: list[str], now: datetime) -> None:
    attention.raise_item(
        kind=AttentionKind.ACCEPTED_THEN_REFUSED,
        dedupe_key=str(entry.id),
        target=f"plan:{body['plan_id']}",
        details={"message_type": body["message_type"], "codes": codes},
        now=now,
    )
