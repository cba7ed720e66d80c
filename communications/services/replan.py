"""What waits is planned anew when something about its client changed: for its time, and for whoever looks at it.

That a change is obeyed is the fence's doing, whether or not this has run.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from clients.choices import ContactKind
from clients.models import Client
from clients.services.gate import CLIENT_CHANGED
from communications.choices import Cause, Role, Status
from communications.models import Communication, DeliveryEvent
from communications.rules import reasons
from communications.rules.channels import closed_because, next_channel
from communications.rules.daily_cap import Planned
from communications.rules.facts import Facts
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.reasons import CHANNEL_WORDS, Reason
from communications.rules.slots import batch_key
from communications.rules.strategy import decide
from communications.rules.timing import Due, plan_time
from communications.selectors.activity import NO_ACTIVITY, Activity, activity_of
from communications.selectors.sending import SendJob, current_contact_points, load_jobs
from communications.services import lifecycle
from communications.services.checking import terms_of
from communications.services.composing import recompose
from communications.services.dissolving import RELEASE_TASK
from communications.services.lifecycle import Transition
from communications.services.queue import DISPATCH_TASK
from communications.services.rerouting import reroute
from communications.services.strategy_facts import Known, asked_of, facts_of
from core import clock
from core.choices import Channel
from core.outbox import Event, consumer
from core.wake import ring

ACTOR: Final = "system:replan"
_WAITING: Final = (Status.SCHEDULED, Status.HELD)
_WRITTEN: Final = ("due_at", "channel", "batch_key", "content", "metadata")


def register() -> None:
    consumer("communications.replan", topics={CLIENT_CHANGED})(replan_changed)


def replan_changed(events: Sequence[Event]) -> None:
    client_ids, now = {UUID(event.subject.partition(":")[2]) for event in events}, clock.now()
    reroute(client_ids=client_ids, actor=ACTOR, now=now)
    replan(client_ids=client_ids, now=now)


def replan(*, client_ids: Collection[UUID], now: datetime) -> int:
    """Bring what waits into line with its client's settings: due times, digests, and texts whose times are in another
    zone.

    Returns how many changed. What a worker has claimed is left alone: its check sees the change. What waits for a
    retry, or for the end of a pause, keeps its time. What the client closed was dealt with by `reroute`; what may not
    be sent for another reason is refused, with it, when it is due. The clients are locked, as at acceptance: the daily
    cap is counted. A fixed number of queries.
    """
    with transaction.atomic():
        clients = Client.objects.filter(id__in=client_ids).order_by("id").select_for_update(no_key=True)
        list(clients.values_list("id"))
        waiting = Communication.objects.filter(client_id__in=client_ids, status__in=_WAITING).order_by("id")
        locked = waiting.select_for_update(skip_locked=True, no_key=True).defer("content").in_bulk()
        jobs = load_jobs(list(locked))
        changes = list(_Planner(jobs, locked, now).changes())
        _store(changes, locked, now)
    return len(changes)


@dataclass(frozen=True)
class _Change:
    """What is different about a waiting communication. `told`: why, the most telling first."""

    job: SendJob
    due_at: datetime | None
    channel: Channel
    batch_key: str
    content: bytes | None
    told: tuple[Reason, ...] = ()

    def differs_from(self, row: Communication) -> bool:
        same = (self.due_at, self.channel, self.batch_key) == (row.due_at, row.channel, row.batch_key)
        return not same or self.content is not None


class _Planner:
    """Plans what waits of some clients, each client's in the order in which it is to go out."""

    def __init__(self, jobs: Sequence[SendJob], locked: Mapping[UUID, Communication], now: datetime) -> None:
        self._jobs = jobs
        self._locked = locked
        self._now = now
        self._moving = {job.communication_id for job in jobs if self._may_move(job)}
        clients = {job.client_id for job in jobs if job.communication_id in self._moving}
        self._activity = dict(activity_of(clients, now=now, without=self._moving))
        self._points: dict[UUID, dict[ContactKind, bool]] = defaultdict(dict)
        for (client_id, kind), point in (current_contact_points(clients) if clients else {}).items():
            self._points[client_id][kind] = point.undeliverable_at is not None
        self._siblings = self._channels_in_use(jobs) if self._moving else {}

    def changes(self) -> Iterator[_Change]:
        requests: dict[UUID, list[SendJob]] = defaultdict(list)
        for job in sorted(self._jobs, key=lambda job: (job.row["due_at"], job.row["created_at"])):
            requests[job.row["request_id"]].append(job)
        for together in requests.values():
            planned = [self._anew(job) for job in together]
            # Afterwards: a message and its companions take one place of a day.
            for change in planned:
                self._count(change)
                if change.differs_from(self._locked[change.job.communication_id]):
                    yield change

    def _may_move(self, job: SendJob) -> bool:
        row = self._locked[job.communication_id]
        if job.is_digest or row.waits_for or row.retry_count or row.put_back_count or row.due_at is None:
            return False
        return row.status == Status.HELD or row.due_at > self._now

    def _anew(self, job: SendJob) -> _Change:
        row = self._locked[job.communication_id]
        as_it_is = _Change(job, row.due_at, job.channel, row.batch_key, recompose(job))
        if job.communication_id not in self._moving:
            return as_it_is
        facts = facts_of(asked_of(job), self._known(job), self._now)
        channel = self._channel(job, facts)
        if channel is None:
            return as_it_is
        plain = terms_of(job)
        terms = replace(
            facts.terms_on(channel), expires_at=plain.expires_at, ends_with_event=plain.ends_with_event
        )
        due = plan_time(terms, self._now)
        if not isinstance(due, Due):
            return as_it_is
        held = facts.joins_digests(channel) and due.in_slot
        moved = () if channel is job.channel else (_moved_to(channel),)
        return replace(
            as_it_is,
            due_at=due.at,
            channel=channel,
            batch_key=batch_key(channel, facts.rule.purpose, due.at, facts.zone) if held else "",
            told=(*moved, *due.reasons),
        )

    def _known(self, job: SendJob) -> Known:
        return Known(
            points=self._points[job.client_id],
            allowed=job.consent.allowed,
            suppressed=job.consent.suppressed,
            preferences=job.preferences,
            activity=self._activity.get(job.client_id, NO_ACTIVITY),
            event_date=job.event_date,
            erased=job.row["client_erased_at"] is not None or job.key is None,
        )

    def _channel(self, job: SendJob, facts: Facts) -> Channel | None:
        """Its own. What is held, and was to go out with others, goes on to the best that no sibling uses once its own
        is closed; None: none is left, and the check says why. What is scheduled was dealt with by `reroute`."""
        is_held = self._locked[job.communication_id].status == Status.HELD
        if not is_held or closed_because(facts, job.channel) is None:
            return job.channel
        strategy = decide(facts)
        open_now = (*(delivery.channel for delivery in strategy.deliveries), *strategy.fallbacks)
        uses = self._siblings[job.row["request_id"]]
        taken = {channel for sibling, channel in uses.items() if sibling != job.communication_id}
        found = next_channel(open_now, open_now=open_now, taken=taken)
        if found is not None:
            uses[job.communication_id] = found
        return found

    def _count(self, change: _Change) -> None:
        """What was planned takes its place for those that come after it."""
        job = change.job
        counts = job.communication_id in self._moving and job.row["role"] == Role.PRIMARY
        if not counts or change.due_at is None:
            return
        activity = self._activity.get(job.client_id, NO_ACTIVITY)
        planned = Planned(change.due_at, change.batch_key)
        if MESSAGE_TYPES[job.message_type].capped:
            self._activity[job.client_id] = Activity((*activity.planned, planned), activity.delivered)

    def _channels_in_use(self, jobs: Sequence[SendJob]) -> dict[UUID, dict[UUID, Channel]]:
        uses: dict[UUID, dict[UUID, Channel]] = defaultdict(dict)
        rows = Communication.objects.filter(request_id__in={job.row["request_id"] for job in jobs}).exclude(
            status__in=[Status.FAILED, Status.CANCELLED]
        )
        for request_id, sibling, channel in rows.values_list("request_id", "id", "channel"):
            uses[request_id][sibling] = Channel(channel)
        return uses


def _moved_to(channel: Channel) -> Reason:
    return reasons.MOVED_CHANNEL.because(channel=CHANNEL_WORDS[channel])


def _store(changes: Sequence[_Change], locked: Mapping[UUID, Communication], now: datetime) -> None:
    """Times, channels and texts; and statuses where a message joins its digest, or leaves it."""
    crossing: list[Transition] = []
    staying: list[_Change] = []
    for change in changes:
        row = locked[change.job.communication_id]
        if (row.status == Status.HELD) is bool(change.batch_key):
            staying.append(change)
        else:
            crossing.append(_crosses(change, now))
        row.due_at, row.channel, row.batch_key = change.due_at, change.channel, change.batch_key
        row.content = change.content or change.job.row["content"]
        if change.told:
            row.metadata = row.metadata | {"planned_anew": _as_stored(change.told, now)}
    Communication.objects.bulk_update([locked[each.job.communication_id] for each in changes], _WRITTEN)
    lifecycle.apply(crossing, now=now)
    DeliveryEvent.objects.bulk_create(
        _event(each, locked[each.job.communication_id].status, now) for each in staying
    )
    if any(change.due_at is not None and change.due_at <= now for change in changes):
        ring(DISPATCH_TASK)
        ring(RELEASE_TASK)


def _crosses(change: _Change, now: datetime) -> Transition:
    to, cause = (
        (Status.HELD, Cause.PREFERS_DIGEST) if change.batch_key else (Status.SCHEDULED, Cause.PREFERS_AT_ONCE)
    )
    return Transition(change.job.communication_id, to, cause, ACTOR, now, reason=_reason(change))


def _as_stored(told: Sequence[Reason], now: datetime) -> dict[str, Any]:
    return {
        "at": now.isoformat(),
        "reasons": [{"code": reason.code, "text": reason.text} for reason in told],
    }


def _reason(change: _Change) -> str:
    return change.told[0].code if change.told else ""


def _event(change: _Change, status: str, now: datetime) -> DeliveryEvent:
    return DeliveryEvent(
        communication_id=change.job.communication_id,
        from_status=status,
        to_status=status,
        cause=Cause.REPLANNED,
        actor=ACTOR,
        reason=_reason(change),
        occurred_at=now,
        recorded_at=now,
    )
