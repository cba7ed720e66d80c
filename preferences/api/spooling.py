"""Changes of preferences that come while the database is away: spooled, and stored later by the same form."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from django.utils import timezone
from rest_framework.exceptions import ValidationError

from clients.models import Client
from clients.services.introduce import introduce_client
from core import attention, spool
from core.api.problems import field_problems
from core.errors import Invalid, NotFound
from preferences.api.forms import PreferencesPatchSerializer, change_of
from preferences.choices import SettingSource
from preferences.services.changing import Author, change_preferences

KIND: Final = "preferences"
REFUSED: Final = "preferences_refused"


def register() -> None:
    """Called once, when the app is ready."""
    spool.register(KIND, store_spooled)


def spool_change(*, reference: str, body: Any, author: Author, upsert: bool) -> UUID:
    """Accept a change that met a database that is away; `body` passed the form. Raises Unavailable when the spool is
    away too."""
    settings = {name: value for name, value in body.items() if name != "client_id"}
    entry = spool.Entry(
        uuid4(),
        KIND,
        author.actor,
        datetime.now(UTC),
        {
            "client_id": reference,
            "settings": settings,
            "origin": author.origin.value,
            "wording": author.wording,
            "upsert": upsert,
        },
    )
    return spool.add(entry=entry).id


def store_spooled(entry: spool.Entry, now: datetime) -> bool:
    """A handler of the spool. What cannot be stored becomes an item for staff: its caller believes that it can."""
    body = entry.body
    try:
        form = PreferencesPatchSerializer.checked(body["settings"])
        author = Author(SettingSource(body["origin"]), entry.caller, body["wording"], why=form.get("why", ""))
        change_preferences(
            client_id=_client_id(body, entry.caller, now),
            change=change_of(form),
            author=author,
            now=now,
            # When it was said, by the product's clock.
            occurred_at=now - (timezone.now() - entry.received_at),
        )
    except (Invalid, ValidationError) as refusal:
        codes = sorted({f"{problem.field}:{problem.code}" for problem in field_problems(refusal)})
    except NotFound as refusal:
        codes = [refusal.code]
    else:
        return True
    attention.raise_item(
        kind=REFUSED,
        dedupe_key=str(entry.id),
        target=f"client:{body['client_id']}",
        details={"codes": codes},
        now=now,
    )
    return False


def _client_id(body: Any, caller: str, now: datetime) -> UUID:
    if body["upsert"]:
        return introduce_client(reference=body["client_id"], actor=caller, now=now)
    found = Client.objects.filter(reference=body["client_id"]).values_list("id", flat=True).first()
    if found is None:
        raise NotFound("There is no client with this client_id.", code="client_not_found")
    return found
