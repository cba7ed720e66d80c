"""The check before sending, on what the database says now: cleared rows go on, the others get their reason."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet

from clients.allow_list import allow_list
from clients.choices import ContactKind
from clients.models import ContactPoint
from communications.choices import AttentionKind, Cause, Status
from communications.gateway import configured_channels
from communications.models import Communication
from communications.rules import reasons
from communications.rules.channels import is_usable
from communications.rules.checks import CheckFacts, Go, NotNow, Refuse, check
from communications.rules.message_types import MESSAGE_TYPES, Answer
from communications.rules.pauses import OpenPause, holding
from communications.rules.stages import QUESTIONS
from communications.rules.timing import Terms, expiry
from communications.selectors.activity import NO_ACTIVITY, Activity, activity_of
from communications.selectors.digests import Membership, memberships
from communications.selectors.pauses import read_sending_gate
from communications.selectors.sending import SendJob
from communications.services import business_key, lifecycle
from communications.services.dissolving import dissolve
from communications.services.leaving import go_on
from communications.services.lifecycle import Applied, Transition
from communications.services.strategy_facts import Known, asked_of, contact_hours, facts_of
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


@dataclass(frozen=True)
class Outdated:
    """What the plan or the client has left behind since it was accepted, by the ids of communications."""

    replaced: frozenset[UUID] = frozenset()
    passed: frozenset[UUID] = frozenset()
    answered: frozenset[UUID] = frozenset()


_NOTHING_OUTDATED: Final = Outdated()


def check_jobs(*, jobs: Sequence[SendJob], lease_token: UUID, actor: str, now: datetime) -> list[Cleared]:
    """The jobs that may be sent now. The others are put back or cancelled at once, each with its reason."""
    # Before the first look at a job: what is paused after this is stopped by the fence.
    gate = read_sending_gate()
    verdicts = _verdicts(jobs, gate.pauses, now)
    stops = [
        (job, verdict, _stop(job, verdict, lease_token, actor, now))
        for job, verdict in zip(jobs, verdicts, strict=True)
        if not isinstance(verdict, Go)
    ]
    _carry_out(stops, now)
    return [
        Cleared(job, job.contact_point, verdict.send_before, gate.version)
        for job, verdict in zip(jobs, verdicts, strict=True)
        if isinstance(verdict, Go) and job.contact_point is not None
    ]


_Verdict = Go | NotNow | Refuse


def _verdicts(jobs: Sequence[SendJob], pauses: Sequence[OpenPause], now: datetime) -> list[_Verdict]:
    outdated = _outdated(jobs)
    alone = [judge(job, now, pauses=pauses, outdated=outdated) for job in jobs]
    members = memberships([job.communication_id for job in jobs if job.is_digest])
    return [
        _judge_members(members[job.communication_id], verdict, now, pauses)
        if job.is_digest and isinstance(verdict, Go)
        else verdict
        for job, verdict in zip(jobs, _planned_later(jobs, alone, now), strict=True)
    ]


def _carry_out(stops: Sequence[tuple[SendJob, NotNow | Refuse, Transition]], now: datetime) -> None:
    """Put back what waits, take digests apart, let go on what may use another channel, and cancel the rest."""
    put_back: list[Transition] = []
    leaving: list[Transition] = []
    cancelled: list[Transition] = []
    dissolved: list[Transition] = []
    for job, verdict, stop in stops:
        if isinstance(verdict, NotNow):
            put_back.append(stop)
        elif job.is_digest:
            dissolved.append(stop)
        else:
            (leaving if verdict.leaves_channel else cancelled).append(stop)
    cancelled += go_on(leaving, now=now)
    show_refusals(cancelled, lifecycle.apply([*put_back, *cancelled], now=now), now)
    dissolve(cancellations=dissolved, now=now)


def _planned_later(jobs: Sequence[SendJob], verdicts: Sequence[_Verdict], now: datetime) -> list[_Verdict]:
    """What waits for another hour gets it as a new message would: by the client's slot, and not on a day that is full.
    Two queries, if anything does."""
    waits = [
        isinstance(verdict, NotNow) and verdict.pause is None and job.channel in configured_channels()
        for job, verdict in zip(jobs, verdicts, strict=True)
    ]
    waiting = [job for job, later in zip(jobs, waits, strict=True) if later]
    if not waiting:
        return list(verdicts)
    activity = activity_of(
        {job.client_id for job in waiting}, now=now, without=[job.communication_id for job in waiting]
    )
    return [
        judge(job, now, terms=waiting_terms(job, activity.get(job.client_id, NO_ACTIVITY), now))
        if later
        else verdict
        for job, verdict, later in zip(jobs, verdicts, waits, strict=True)
    ]


def waiting_terms(job: SendJob, activity: Activity, now: datetime) -> Terms:
    """As `terms_of`, with the slot that it waits for and the days that are full."""
    known = Known({}, (), job.preferences, activity, job.event_date)
    plain = terms_of(job)
    terms = facts_of(asked_of(job), known, now).terms_on(job.channel)
    return replace(terms, expires_at=plain.expires_at, ends_with_event=plain.ends_with_event)


def _outdated(jobs: Sequence[SendJob]) -> Outdated:
    """What waits is taken back when the plan goes on; what had gone out, or might have, comes back only here. Questions
    may be answered on another channel. No query where nothing was tried before and nothing is asked."""
    tried = [
        job.communication_id
        for job in jobs
        if job.row["attempt_count"] and MESSAGE_TYPES[job.message_type].staged
    ]
    asking = [job.communication_id for job in jobs if MESSAGE_TYPES[job.message_type].answer is not Answer.NO]
    rows = Communication.objects.filter(id__in=tried)
    questions = rows.filter(message_type__in=QUESTIONS)
    answers = Communication.objects.filter(request=OuterRef("request"), responded_at__isnull=False)
    return Outdated(
        replaced=_ids(rows.filter(business_key.replaced_since("request"))) if tried else frozenset(),
        passed=_ids(questions.filter(business_key.passed_since("request"))) if tried else frozenset(),
        answered=_ids(Communication.objects.filter(Exists(answers), id__in=asking))
        if asking
        else frozenset(),
    )


def _ids(rows: QuerySet[Communication]) -> frozenset[UUID]:
    return frozenset(rows.values_list("id", flat=True))


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


def judge(
    job: SendJob,
    now: datetime,
    *,
    pauses: Sequence[OpenPause] = (),
    outdated: Outdated = _NOTHING_OUTDATED,
    terms: Terms | None = None,
) -> Go | NotNow | Refuse:
    """What the check says of a job as the database had it when it was loaded. Without `pauses`: once none holds it.
    `terms`: in place of what alone bounds its time."""
    return check(_facts(job, pauses, outdated, terms), now)


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
        hours=contact_hours(),
    )


def deadline_of(item: Cleared) -> datetime:
    """Until when it must have left: its expiry, or the caller's `deliver_by` if that is sooner."""
    terms = terms_of(item.job)
    return terms.expires_at if terms.deliver_by is None else min(terms.expires_at, terms.deliver_by)


def _facts(job: SendJob, pauses: Sequence[OpenPause], outdated: Outdated, terms: Terms | None) -> CheckFacts:
    point, row = job.contact_point, job.communication_id
    return CheckFacts(
        terms=terms or terms_of(job),
        has_contact_point=point is not None,
        consent_allowed=job.channel in job.consent.allowed,
        suppressed=job.channel in job.consent.suppressed,
        not_chosen=not is_usable(job.preferences.chosen_channels, job.channel, job.urgency),
        configured=job.channel in configured_channels(),
        undeliverable=point is not None and point.undeliverable_at is not None,
        client_erased=job.row["client_erased_at"] is not None or job.key is None,
        plan_cancelled=job.row["plan_cancelled_at"] is not None,
        replaced=row in outdated.replaced,
        question_closed=row in outdated.passed,
        answered=row in outdated.answered,
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
