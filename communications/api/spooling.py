"""Requests that come while the database is away: checked as far as that goes without it, spooled, and stored later
by the same form that every request passes."""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final
from uuid import uuid4

from rest_framework.exceptions import ValidationError

from communications.api.attachment_fields import with_digests
from communications.api.forms import idempotency_of, submit_command
from communications.choices import AttentionKind
from communications.rules.context import normalise_context
from communications.rules.files import AttachedFile
from communications.selectors.detail import existing_requests
from communications.services import idempotency
from communications.services.commands import GivenAttachment, Submission, SubmitCommand
from communications.services.recipient import contact_details
from communications.services.submit import Submitted, submit_many
from core import attention, spool
from core.api.problems import field_problems
from core.errors import Conflict, Invalid

KIND: Final = "communication"
_Refusal = Invalid | Conflict | ValidationError


def register() -> None:
    """Called once, when the app is ready."""
    spool.register_many(KIND, store_spooled)


@dataclass(frozen=True, slots=True)
class ToSpool:
    """A request whose submitting met a database that is away. `body` is what `submission`, which has an id, was read
    from."""

    body: Any
    submission: Submission


def spool_requests(requests: Sequence[ToSpool], *, caller: str) -> list[Submitted | Invalid]:
    """What becomes of each, in their order: refused for what can be told without the database, or accepted.

    The same `Idempotency-Key` gets the same answer, as it does with the database. Raises Unavailable when the spool is
    away too; then none is accepted.
    """
    outcomes: list[Submitted | Invalid | None] = []
    entries = []
    for request in requests:
        command = request.submission.command
        try:
            contact_details(
                command, normalise_context(command.context, plan_reference=command.plan_reference)
            )
        except Invalid as refusal:
            outcomes.append(refusal)
        else:
            outcomes.append(None)
            entries.append(_entry(request, caller))
    added = iter(spool.add_many(entries))
    return [
        _accepted(next(added), request.submission) if outcome is None else outcome
        for request, outcome in zip(requests, outcomes, strict=True)
    ]


def _entry(request: ToSpool, caller: str) -> tuple[spool.Entry, spool.Once | None]:
    key = request.submission.idempotency_key
    body = {
        "request": with_digests(request.body),
        "key": key.key if key else None,
        "files": [_packed(each) for each in request.submission.command.files],
    }
    entry = spool.Entry(
        request.submission.request_id or uuid4(), KIND, caller, received_at=datetime.now(UTC), body=body
    )
    return entry, spool.Once(key.key, idempotency.body_hash(key)) if key else None


def _accepted(added: spool.Added, submission: Submission) -> Submitted | Invalid:
    if added.differs and submission.idempotency_key is not None:
        return idempotency.key_reused(submission.idempotency_key.field)
    return Submitted(added.id, duplicate=not added.new)


def store_spooled(entries: Sequence[spool.Entry], now: datetime) -> list[bool]:
    """Submits them under the ids that their callers were told; a handler of the spool.

    When one goes out is decided by `now`, the time of storing: what the caller wished for at `received_at` may not be
    allowed any more. A request that cannot be stored becomes an item for staff: its caller believes that it can.
    """
    # The database may have gone away after the commit and before the answer.
    stored = existing_requests([entry.id for entry in entries])
    kept = {entry.id: True for entry in entries}
    # One after the other where callers change, so that their order holds.
    for caller, theirs in groupby((entry for entry in entries if entry.id not in stored), _caller_of):
        for entry, refusal in _submit(list(theirs), caller, now):
            kept[entry.id] = False
            _tell_staff(entry, refusal, now)
    return list(kept.values())


def _caller_of(entry: spool.Entry) -> str:
    return entry.caller


def _submit(entries: Sequence[spool.Entry], caller: str, now: datetime) -> list[tuple[spool.Entry, _Refusal]]:
    """Those that were refused."""
    refused: list[tuple[spool.Entry, _Refusal]] = []
    sound: list[tuple[spool.Entry, Submission]] = []
    for entry in entries:
        try:
            sound.append((entry, _submission(entry)))
        except (Invalid, ValidationError) as refusal:
            refused.append((entry, refusal))
    outcomes = submit_many(submissions=[submission for _, submission in sound], caller=caller, now=now)
    for (entry, _), outcome in zip(sound, outcomes, strict=True):
        if isinstance(outcome, Conflict) and outcome.code == idempotency.KEY_IN_USE:
            raise outcome  # its caller repeats it at this moment
        if not isinstance(outcome, Submitted):
            refused.append((entry, outcome))
    return refused


def _submission(entry: spool.Entry) -> Submission:
    body = entry.body["request"]
    command = _command_of(body, entry.body.get("files", ()))
    return Submission(command, idempotency_of(entry.body["key"], body), entry.id)


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


def _tell_staff(entry: spool.Entry, refusal: _Refusal, now: datetime) -> None:
    body: Mapping[str, Any] = entry.body["request"]
    if isinstance(refusal, Conflict):
        codes = [refusal.code]
    else:
        codes = sorted({f"{problem.field}:{problem.code}" for problem in field_problems(refusal)})
    attention.raise_item(
        kind=AttentionKind.ACCEPTED_THEN_REFUSED,
        dedupe_key=str(entry.id),
        target=f"plan:{body['plan_id']}",
        details={"message_type": body["message_type"], "codes": codes},
        now=now,
    )
