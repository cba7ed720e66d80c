"""What a client does through a link in a message: opting out, and in again; also while the database is away."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from django.utils import timezone

from clients.models import Client
from core import clock, spool
from core.choices import Channel
from core.database import DATABASE_AWAY
from core.logs import get_logger
from preferences.choices import ConsentSource, ConsentState
from preferences.links import LinkSubject
from preferences.rules import wordings
from preferences.services.consent import NewStatement, record_statements

logger = get_logger("preferences")

KIND: Final = "opt_out"
ACTOR: Final = "client:link"


@dataclass(frozen=True, slots=True)
class LinkAction:
    """What the client of a link wants, and where the wish came from."""

    subject: LinkSubject
    state: ConsentState
    ip: str = ""


def register() -> None:
    """Called once, when the app is ready."""
    spool.register(KIND, _store_spooled)


def obey(action: LinkAction) -> None:
    """Record it, however often it is said. While the database is away it waits in the spool, and nothing is sent before
    it is stored. Raises Unavailable when that is away too."""
    try:
        _record(action, occurred_at=None)
    except DATABASE_AWAY:
        if not spool.is_configured():
            raise
        spool.add(entry=spool.Entry(uuid4(), KIND, ACTOR, datetime.now(UTC), _written(action)))


def _record(action: LinkAction, *, occurred_at: datetime | None) -> None:
    subject, now = action.subject, clock.now()
    if not Client.objects.filter(id=subject.client_id).exists():
        logger.warning("link of a client who is not here")  # after a restore from before they came
        return
    said = NewStatement(
        client_id=subject.client_id,
        channel=subject.channel,
        state=action.state,
        source=ConsentSource.PAGE,
        wording=wordings.UNSUBSCRIBE,
        occurred_at=occurred_at or now,
        contact_point_id=subject.contact_point_id if action.state is ConsentState.OPTED_OUT else None,
        ip=action.ip,
    )
    record_statements(statements=[said], actor=ACTOR, now=now)


def _written(action: LinkAction) -> dict[str, Any]:
    return {
        "client_id": str(action.subject.client_id),
        "contact_point_id": str(action.subject.contact_point_id),
        "channel": action.subject.channel.value,
        "state": action.state.value,
        "ip": action.ip,
    }


def _store_spooled(entry: spool.Entry, now: datetime) -> bool:
    body = entry.body
    subject = LinkSubject(UUID(body["client_id"]), UUID(body["contact_point_id"]), Channel(body["channel"]))
    # When it was said, by the product's clock.
    occurred_at = now - (timezone.now() - entry.received_at)
    _record(LinkAction(subject, ConsentState(body["state"]), body["ip"]), occurred_at=occurred_at)
    return True
