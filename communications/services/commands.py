"""What callers may ask of `submit`, as plain data. The API and every later caller fill the same form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from communications.choices import MessageType, Urgency
from communications.rules.files import AttachedFile
from core.choices import Channel


@dataclass(frozen=True)
class ClientData:
    """Contact data given beside a request; None leaves what is known as it is."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    timezone: str | None = None
    whatsapp_opt_in: bool | None = None


@dataclass(frozen=True)
class GivenAttachment:
    """A file as a caller gave it: its content, or the address that it is to be fetched from. `where` it stood,
    for what is said about it."""

    where: str
    filename: str | None = None
    content: bytes | None = field(default=None, repr=False)
    url: str | None = None


@dataclass(frozen=True)
class SubmitCommand:
    """One request. References are the caller's own; `context` is as the planner sent it, not yet normalised.

    `urgency` None takes the message type's default. Instants are aware. `supersede`: planning starts again from this
    type's stage. `attachments` are as they were given; `services.attaching.collect` makes the `files` of them, before
    anything is locked.
    """

    plan_reference: str
    client_reference: str
    message_type: MessageType
    context: Mapping[str, Any]
    urgency: Urgency | None = None
    preferred_channel: Channel | None = None
    dedup_key: str | None = None
    send_at: datetime | None = None
    deliver_by: datetime | None = None
    client: ClientData = ClientData()
    supersede: bool = False
    attachments: tuple[GivenAttachment, ...] = ()
    files: tuple[AttachedFile, ...] = ()


@dataclass(frozen=True)
class Idempotency:
    """The caller's `Idempotency-Key` and what it came with, so that a key used again for something else shows.

    `field` is where it stood: a header, or the field of an item in a list of requests.
    """

    key: str
    body: bytes
    field: str = "Idempotency-Key"


@dataclass(frozen=True)
class Submission:
    """One request of several, with its own key if it has one, and the id that a new request is to get."""

    command: SubmitCommand
    idempotency_key: Idempotency | None = None
    request_id: UUID | None = None
