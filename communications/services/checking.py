"""The check before sending, on what the database says now: cleared rows go on, the others get their reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings

from clients.allow_list import allow_list
from clients.choices import ContactKind
from clients.models import ContactPoint
from communications.choices import AttentionKind, Cause, Status
from communications.gateway import configured_channels
from communications.rules import reasons
from communications.rules.channels import is_usable
from communications.rules.checks import CheckFacts, Go, NotNow, Refuse, check
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.pauses import OpenPause, holding
from communications.rules.timing import Terms, expiry
from communications.selectors.digests import Membership, memberships
from communications.selectors.pauses import read_sending_gate
from communications.selectors.sending import SendJob
from communications.services import lifecycle
from communications.services.dissolving import dissolve
from communications.services.lifecycle import Applied, Transition
from communications.services.waiting import waits_for_pause
from core import attention

# Refusals that nobody wished for: a person may still reach the client.
_SHOWN: Final = frozenset(
    code.code
    for code in (
        reasons.CANNOT_MEET_DEADLINE,
        reasons.EXPIRED,
        reasons.NO_CONSENT,
        reasons.SUPPRESSED,
        reasons.NO_CONTACT_POINT,
        reasons.NOT_CHOSEN,
        reasons.NOT_CONFIGURED,
        reasons.NOT_ON_ALLOW_LIST,
        reasons.UNDELIVERABLE,
    )
)


@dataclass(frozen=True)
class Cleared:
    """May be sent before `send_before` (the product's clock) to this contact point, while the installation's gate is at
    `sending_version`."""

    job: SendJob
    contact_point: ContactPoint
    send_before: datetime
    sending_version: int


def check_jobs(*, jobs: Sequence[SendJob], lease_token: UUID, actor: str, now: datetime) -> list[Cleared]:
    """The jobs that may be sent now. The others are put back or cancelled at once, each with its reason."""
    # Before the first look at a job: what is paused after this is stopped by the fence.
    gate = read_sending_gate()
    members = memberships([job.communication_id for job in jobs if job.is_digest])
    cleared: list[Cleared] = []
    stopped: list[Transition] = []
    dissolved: list[Transition] = []
    for job in jobs:
        verdict = judge(job, now, pauses=gate.pauses)
        if isinstance(verdict, Go) and job.is_digest:
            verdict = _judge_members(members[job.communication_id], verdict, now, gate.pauses)
        if isinstance(verdict, Go) and job.contact_point is not None:
            cleared.append(Cleared(job, job.contact_point, verdict.send_before, gate.version))
        elif not isinstance(verdict, Go):
            stop = _stop(job, verdict, lease_token, actor, now)
            undone = dissolved if job.is_digest and isinstance(verdict, Refuse) else stopped
            undone.append(stop)
    show_refusals(stopped, lifecycle.apply(stopped, now=now), now)
    dissolve(cancellations=dissolved, now=now)
    return cleared


def _judge_members(members: Membership, go: Go, now: datetime, pauses: Sequence[OpenPause]) -> Go | Refuse:
    """A digest goes with all that it was made of, in time for each; else it is taken apart."""
    verdicts = [judge(member, now, pauses=pauses) for member in members.jobs]
    ends = [verdict.send_before for verdict in verdicts if isinstance(verdict, Go)]
    if not members.is_whole or len(ends) < len(verdicts):
        return Refuse(Cause.REFUSED_BY_CHECK, reasons.DIGEST_CHANGED.because())
    return Go(min(go.send_before, *ends)) if ends else go


def show_refusals(refusals: Sequence[Transition], applied: Applied, now: datetime) -> None:
    """People are told of those that nobody wished for."""
    for transition in refusals:
        if transition.reason in _SHOWN and transition.communication_id in applied.changed:
            attention.raise_item(
                kind=AttentionKind.NOT_SENT,
                dedupe_key=str(transition.communication_id),
                target=f"communication:{transition.communication_id}",
                details={"reason": transition.reason},
                now=now,
            )


def judge(job: SendJob, now: datetime, *, pauses: Sequence[OpenPause] = ()) -> Go | NotNow | Refuse:
    """What the check says of a job as the database had it when it was loaded. Without `pauses`: once none holds it."""
    return check(_facts(job, pauses), now)


def terms_of(job: SendJob) -> Terms:
    """What bounds the time of a stored communication, by its client's settings as they are now."""
    accepted_at, send_at = job.row["requested_at"], job.row["send_at"]
    by_event, ends_with_event = expiry(
        MESSAGE_TYPES[job.message_type],
        from_=max(accepted_at, send_at) if send_at is not None else accepted_at,
        event_date=job.event_date,
        zone=job.preferences.zone,
    )
    return Terms(
        urgency=job.urgency,
        channel=job.channel,
        zone=job.preferences.zone,
        expires_at=min(job.expires_at, by_event),
        ends_with_event=ends_with_event and by_event <= job.expires_at,
        quiet_hours=job.preferences.quiet_hours,
        pause_until=job.preferences.pause_until,
        send_at=send_at,
        deliver_by=job.row["deliver_by"],
    )


def deadline_of(item: Cleared) -> datetime:
    """Until when it must have left: its expiry, or the caller's `deliver_by` if that is sooner."""
    terms = terms_of(item.job)
    return terms.expires_at if terms.deliver_by is None else min(terms.expires_at, terms.deliver_by)


def _facts(job: SendJob, pauses: Sequence[OpenPause]) -> CheckFacts:
    point = job.contact_point
    return CheckFacts(
        terms=terms_of(job),
        has_contact_point=point is not None,
        consent_allowed=job.channel in job.consent.allowed,
        suppressed=job.channel in job.consent.suppressed,
        not_chosen=not is_usable(job.preferences.chosen_channels, job.channel, job.urgency),
        configured=job.channel in configured_channels(),
        undeliverable=point is not None and point.undeliverable_at is not None,
        client_erased=job.row["client_erased_at"] is not None or job.key is None,
        plan_cancelled=job.row["plan_cancelled_at"] is not None,
        on_allow_list=point is None or _on_allow_list(point),
        pause=holding(
            pauses,
            channel=job.channel,
            plan_reference=job.row["plan_reference"],
            message_type=job.message_type,
        ),
    )


def _on_allow_list(point: ContactPoint) -> bool:
    allowed = allow_list(settings.CRM_RECIPIENT_ALLOW_LIST, settings.CRM_DEFAULT_REGION)
    return allowed is None or allowed.holds(point.address, ContactKind(point.kind))


def _stop(job: SendJob, verdict: NotNow | Refuse, lease_token: UUID, actor: str, now: datetime) -> Transition:
    if isinstance(verdict, NotNow):
        return Transition(
            communication_id=job.communication_id,
            to=Status.SCHEDULED,
            cause=Cause.NOT_NOW,
            actor=actor,
            at=now,
            lease_token=lease_token,
            reason=verdict.reasons[0].code if verdict.reasons else "",
            changes={
                "due_at": verdict.due_at,
                "waits_for": waits_for_pause(verdict.pause.id) if verdict.pause else "",
            },
        )
    return Transition(
        communication_id=job.communication_id,
        to=Status.CANCELLED,
        cause=verdict.cause,
        actor=actor,
        at=now,
        lease_token=lease_token,
        reason=verdict.reason.code,
    )
