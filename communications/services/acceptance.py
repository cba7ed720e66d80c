"""From requests whose clients are locked to stored rows: which are new, what the plan's stage says, how they go out.

Two steps, so that nothing is written for a request that is refused: all are judged, then what came of it is stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from clients.addresses import mask
from clients.choices import CONTACT_KIND_OF, ContactKind
from clients.models import ContactPoint
from communications.agents.email import ComposedText
from communications.choices import AttentionKind, Cause, MessageType, Role, Status, Urgency
from communications.models import Communication, CommunicationRequest, TemplateVersion
from communications.rules.message_types import MESSAGE_TYPES, Answer, priority_of
from communications.rules.stages import StageFacts, StageStep, closed_questions, take_step, told_stage
from communications.rules.strategy import Strategy, decide, passed
from communications.selectors.activity import NO_ACTIVITY, Activity, activity_of
from communications.selectors.detail import RequestOutcome
from communications.selectors.history import CommunicationEntry
from communications.services import attachments, business_key, lifecycle, recipient
from communications.services.business_key import History
from communications.services.commands import SubmitCommand
from communications.services.composing import compose_for, message_facts, seal_content
from communications.services.queue import DISPATCH_TASK
from communications.services.recipient import Recipient, ToRegister, known_of, message_values
from communications.services.stopping import Stop, stop_unsent
from communications.services.strategy_facts import asked_by, facts_of
from communications.services.templates import check_variables
from core import attention, audit
from core.choices import Channel
from core.copying import copy_in, new_row
from core.errors import Invalid
from core.sealing import seal
from core.wake import ring


@dataclass(frozen=True, slots=True)
class Candidate:
    """A request with whom it is for, its business key, and the id that it is to get as a new one."""

    said: ToRegister
    recipient: Recipient
    key: str
    request_id: UUID | None

    @property
    def command(self) -> SubmitCommand:
        return self.said.command

    @property
    def subject(self) -> tuple[UUID, MessageType]:
        """What its history is looked up by."""
        return self.recipient.plan.id, self.command.message_type


@dataclass(frozen=True, slots=True)
class Made:
    """A new request as it is stored, its primary communication first, so that nobody has to read it back.
    `contact_point`: of the primary's channel; None: there is none."""

    request: CommunicationRequest
    communications: Sequence[Communication]
    composed: ComposedText
    contact_point: ContactPoint | None

    def outcome(self) -> RequestOutcome:
        """As `get_request_outcome` gives it. No query, unless the address was known and the request did not say it."""
        primary = CommunicationEntry(
            self.communications[0], self.composed.subject, self.composed.preview, error_message=None
        )
        point = self.contact_point
        recipient = mask(point.address, kind=ContactKind(point.kind)) if point else None
        return RequestOutcome(self.request, primary, self.communications, recipient)


@dataclass(frozen=True, slots=True)
class Accepted:
    """`made` None: it repeats the request of this id."""

    request_id: UUID
    made: Made | None = None


@dataclass(frozen=True, slots=True)
class _Message:
    """What is to be said: the pinned template version (None: there is none) and the values that fill it."""

    version: TemplateVersion | None
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _New:
    """A request that repeats no other, ready to be stored."""

    candidate: Candidate
    step: StageStep
    strategy: Strategy
    made: Made
    released: Sequence[UUID]

    @property
    def request(self) -> CommunicationRequest:
        return self.made.request

    @property
    def communications(self) -> Sequence[Communication]:
        return self.made.communications


@dataclass(frozen=True, slots=True)
class _Round:
    """What one call of `accept` knows of all its requests."""

    versions: Mapping[str, TemplateVersion]
    histories: Mapping[tuple[UUID, MessageType], History]
    activity: Mapping[UUID, Activity]
    caller: str
    now: datetime


def accept(
    candidates: Sequence[Candidate], *, versions: Mapping[str, TemplateVersion], caller: str, now: datetime
) -> list[Accepted | Invalid]:
    """What becomes of each, in their order. No two may share a client or a plan, and the clients are locked.
    `versions`: of the templates, by message type.

    IntegrityError when somebody else made the same client, plan or request at this instant.
    """
    if not candidates:
        return []
    known = [each.subject for each in candidates if not each.recipient.registered.plan_is_new]
    this = _Round(
        versions=versions,
        histories=business_key.find_histories(known),
        activity=activity_of(
            [each.recipient.client.id for each in candidates if not each.recipient.registered.is_new], now=now
        ),
        caller=caller,
        now=now,
    )
    outcomes: list[Accepted | Invalid] = []
    accepted: list[Candidate] = []
    new: list[_New] = []
    stops: list[Stop] = []
    for candidate in candidates:
        message = _message(candidate, this)
        if isinstance(message, Invalid):
            outcomes.append(message)
            continue
        accepted.append(candidate)
        history = this.histories.get(candidate.subject) or History(candidate.command.message_type)
        holder = history.holder(candidate.key, now)
        if holder is not None:
            stops += _told_again(candidate)
            outcomes.append(Accepted(holder))
            continue
        made = _make(candidate, message, history, this)
        stops += _move_plan(candidate, made.step)
        new.append(made)
        outcomes.append(Accepted(made.request.id, made.made))
    entries = recipient.store([each.recipient for each in accepted], caller=caller, now=now)
    stop_unsent(stops, actor=caller, now=now)
    _store(new, caller, now)
    entries += [entry for each in new for entry in _audit_entries(each)]
    audit.record_many(entries, actor=caller, now=now)
    return outcomes


def _message(candidate: Candidate, this: _Round) -> _Message | Invalid:
    message_type = candidate.command.message_type
    version = this.versions.get(message_type)
    values = message_values(candidate.said.context, candidate.recipient)
    problems = check_variables(version, values, message_type=message_type) if version is not None else []
    problems += attachments.problems_of(candidate.command)
    return Invalid(problems) if problems else _Message(version, values)


def _make(candidate: Candidate, message: _Message, history: History, this: _Round) -> _New:
    command, known = candidate.command, candidate.recipient
    step = take_step(_stage_facts(candidate, history))
    activity = this.activity.get(known.client.id, NO_ACTIVITY).without_waiting(known.plan.id, step.stopped)
    told = known_of(known, activity)
    facts = facts_of(asked_by(command), told, this.now)
    strategy = passed(facts) if step.passed else decide(facts)
    request = new_row(
        CommunicationRequest,
        id=candidate.request_id or uuid4(),
        client_id=known.client.id,
        plan_id=known.plan.id,
        message_type=command.message_type,
        urgency=facts.urgency,
        preferred_channel=command.preferred_channel or "",
        context=seal(CommunicationRequest, "context", message.values, known.key),
        template_version_id=message.version.id if message.version else None,
        strategy=strategy.as_json(),
        business_key=candidate.key,
        send_at=command.send_at,
        deliver_by=command.deliver_by,
        expires_at=strategy.expires_at,
        created_by=this.caller,
        created_at=this.now,
    )
    attachments.announce(request, command)
    made = _made(request, strategy, message, known)
    return _New(candidate, step, strategy, made, history.let_go(candidate.key))


def _stage_facts(candidate: Candidate, history: History) -> StageFacts:
    return StageFacts(
        stage=candidate.recipient.plan.stage,
        message_type=candidate.command.message_type,
        had=history.had,
        holds_selection=candidate.said.context.holds_selection,
        supersede=candidate.command.supersede,
    )


def _told_again(candidate: Candidate) -> list[Stop]:
    """A repeat sends nothing, but the state that it carries may tell of a selection."""
    plan = candidate.recipient.plan
    stage = told_stage(plan.stage, holds_selection=candidate.said.context.holds_selection)
    stopped = closed_questions(plan.stage, stage)
    return _move_plan(candidate, StageStep(stage, passed=False, stopped=stopped))


def _move_plan(candidate: Candidate, step: StageStep) -> list[Stop]:
    registered, plan = candidate.recipient.registered, candidate.recipient.plan
    if step.stage != plan.stage:
        plan.stage = step.stage
        registered.plan_changed = True
    if registered.plan_is_new:
        return []
    return [Stop(plan.id, message_type, cause) for message_type, cause in step.stopped.items()]


def _made(request: CommunicationRequest, strategy: Strategy, message: _Message, known: Recipient) -> Made:
    """One communication per delivery; a request that is not sent has one cancelled that says so."""
    zone = known.preferences.zone.key
    facts = message_facts(
        message.values,
        message_type=request.message_type,
        plan_reference=known.plan.reference,
        zone=zone,
        requested_at=request.created_at,
    )
    shared: dict[str, Any] = {
        "request_id": request.id,
        "client_id": known.client.id,
        "plan_id": known.plan.id,
        "message_type": request.message_type,
        "urgency": request.urgency,
        "priority": priority_of(Urgency(request.urgency)),
        "expires_at": request.expires_at,
        "created_at": request.created_at,
        "shows_engagement": MESSAGE_TYPES[MessageType(request.message_type)].answer is Answer.SELECTION,
    }
    planned: list[dict[str, Any]]
    if strategy.send:
        planned = [
            {
                "channel": each.channel,
                "role": each.role,
                "status": Status.SCHEDULED if strategy.batch_key is None else Status.HELD,
                "due_at": each.send_at.astimezone(UTC),
                "batch_key": strategy.batch_key or "",
            }
            for each in strategy.deliveries
        ]
    else:
        usual = MESSAGE_TYPES[MessageType(request.message_type)].channels
        channel = usual[0].channel if usual else Channel.EMAIL
        planned = [{"channel": channel, "role": Role.PRIMARY, "status": Status.CANCELLED}]
    texts = [compose_for(each["channel"], message.version, facts) for each in planned]
    rows = [
        new_row(
            Communication,
            **shared,
            **each,
            content=seal_content(text, zone, known.key, each["channel"]),
            metadata={"degraded": text.degraded} if text.degraded else {},
        )
        for each, text in zip(planned, texts, strict=True)
    ]
    kind = CONTACT_KIND_OF[Channel(rows[0].channel)]
    return Made(request, rows, texts[0], known.registered.points.get(kind))


def _store(new: Sequence[_New], caller: str, now: datetime) -> None:
    if not new:
        return
    business_key.release(request_ids=[released for each in new for released in each.released])
    copy_in(CommunicationRequest, (vars(each.request) for each in new))
    attachments.store(
        [
            attachments.Attached(each.request, each.candidate.recipient.key, each.candidate.command.files)
            for each in new
            if each.candidate.command.files
        ],
        now=now,
    )
    by_cause: dict[Cause, list[Communication]] = {}
    for each in new:
        by_cause.setdefault(_cause_of(each.strategy), []).extend(each.communications)
    for cause, rows in by_cause.items():
        lifecycle.create(communications=rows, cause=cause, actor=caller, now=now)
    attention.raise_items([_not_sent(each) for each in new if _needs_a_person(each)], now=now)
    dues = (row.due_at for each in new for row in each.communications)
    if any(due is not None and due <= now for due in dues):
        ring(DISPATCH_TASK)
    if any(each.request.document_pending for each in new):
        ring(attachments.DOCUMENTS_TASK)


def _cause_of(strategy: Strategy) -> Cause:
    if strategy.refused is not None:
        return strategy.refused
    return Cause.PLANNED if strategy.batch_key is None else Cause.DIGEST_HELD


def _audit_entries(new: _New) -> list[audit.Entry]:
    command = new.candidate.command
    details = {"message_type": command.message_type.value, "status": new.communications[0].status}
    entries = [audit.Entry("communication.requested", f"request:{new.request.id}", details)]
    if command.supersede:
        told = {"message_type": command.message_type.value, "stage": new.step.stage}
        entries.append(audit.Entry("plan.superseded", f"plan:{new.request.plan_id}", told))
    return entries


def _needs_a_person(new: _New) -> bool:
    return new.strategy.refused not in {None, Cause.STAGE_PASSED}


def _not_sent(new: _New) -> attention.Item:
    communication_id = new.communications[0].id
    return attention.Item(
        kind=AttentionKind.NOT_SENT,
        dedupe_key=str(communication_id),
        target=f"communication:{communication_id}",
        details={"reason": new.strategy.reasons[0].code},
    )
