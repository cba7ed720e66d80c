"""The blueprint as a PDF: made once, soon after a request was accepted, and kept like every other attachment.

Made by a task that the acceptance rings for, or else when the message is composed. Whichever comes first stores it;
what is sent, again and again if need be, is what was stored.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, transaction

from communications.agents.blueprint import BlueprintFacts, make_blueprint
from communications.agents.facts import MessageFacts, event_words, support_address
from communications.models import CommunicationRequest
from communications.rules import blueprint
from communications.rules.files import check_file
from communications.selectors.sending import SendJob
from communications.services import attachments
from communications.services.attachments import Attached
from communications.services.composing import message_facts
from core import clock
from core.choices import Channel
from core.logs import get_logger
from core.sealing import load_keys, unseal

log = get_logger("documents")

_AT_A_TIME: Final = 50


def make_documents(*, now: datetime) -> int:
    """Makes what is pending, the oldest first; returns how many were made. One that fails stops no other."""
    pending = CommunicationRequest.objects.filter(document_pending=True).order_by("created_at")
    ids = list(pending.values_list("id", flat=True)[:_AT_A_TIME])
    return sum(_try(request_id, now) for request_id in ids)


def make_pending(jobs: Iterable[SendJob]) -> None:
    """Makes what is still pending of these, for they are about to go out."""
    for job in jobs:
        if job.row["document_pending"] and job.channel is Channel.EMAIL:
            _try(job.request_id, clock.now())


def _try(request_id: UUID, now: datetime) -> bool:
    try:
        return make_document(request_id=request_id, now=now)
    except Exception:
        # Its message does not go out without it: that is shown to staff when its leases have lapsed.
        log.exception("document not made", request_id=str(request_id))
        return False


def make_document(*, request_id: UUID, now: datetime) -> bool:
    """Makes the blueprint of a request, unless it is there already. Set without a lock, stored under one.

    Two that make it at once store it once. False when there was nothing to do.
    """
    request = (
        CommunicationRequest.objects.select_related("client", "plan")
        .filter(id=request_id, document_pending=True)
        .first()
    )
    if request is None:
        return False
    data_key_id = request.client.data_key_id
    key = load_keys([data_key_id]).get(data_key_id)
    if key is None:
        return False  # erased: it will not be sent either
    values = unseal(CommunicationRequest, "context", request.context, key)
    zone = settings.CRM_DEFAULT_TIMEZONE
    facts = message_facts(
        values,
        message_type=request.message_type,
        plan_reference=request.plan.reference,
        zone=zone,
        requested_at=request.created_at,
    )
    file = check_file(make_blueprint(_blueprint_facts(facts)), name=_filename(facts))
    for is_last in (False, True):
        try:
            return _store(request_id, Attached(request, key, [file], made_by_us=True), now)
        except IntegrityError:
            # Another request of the client got the same file at this instant: it is found the next time.
            if is_last:
                raise
    return False


def _store(request_id: UUID, made: Attached, now: datetime) -> bool:
    with transaction.atomic():
        locked = (
            CommunicationRequest.objects.select_for_update(no_key=True, of=("self",))
            .filter(id=request_id, document_pending=True)
            .first()
        )
        if locked is None:
            return False
        attachments.store([made], now=now)
        CommunicationRequest.objects.filter(id=request_id).update(document_pending=False)
        return True


def _filename(facts: MessageFacts) -> str:
    return f"{event_words(facts).capitalize()} blueprint.pdf"


def _blueprint_facts(facts: MessageFacts) -> BlueprintFacts:
    guests, location = facts.variables.get("guest_count"), facts.variables.get("location")
    return BlueprintFacts(
        text=blueprint.text_of(facts.variables) or "",
        client_name=facts.client_name,
        event=event_words(facts),
        event_date=facts.event_date,
        location=location if isinstance(location, str) else None,
        guest_count=guests if isinstance(guests, int) else None,
        plan_reference=facts.plan_reference,
        prepared_on=facts.requested_at.astimezone(ZoneInfo(facts.zone)).date(),
        company=settings.CRM_COMPANY_NAME,
        postal_address=settings.CRM_POSTAL_ADDRESS,
        support_address=support_address(),
        region=settings.CRM_DEFAULT_REGION,
    )
