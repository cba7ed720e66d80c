"""Applying what was told of attempts: their status, their communication's, addresses, fallbacks, and who is told.

Receipts of any number of attempts at once; which of them came first, and in how many groups, does not matter.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Self
from uuid import UUID

from django.db.models import F
from django.db.models.fields.json import KeyTransform

from clients.models import Client
from communications.choices import AttemptStatus, Cause, OutcomeClass, ReceiptKind, Status, Urgency
from communications.models import Communication, CommunicationRequest, DeliveryAttempt, DeliveryEvent, Receipt
from communications.rules import receipts as rules
from communications.rules.lifecycle import ARRIVED, ATTEMPT_RANK
from communications.rules.retry import CallFacts
from communications.services import attempts, lifecycle
from communications.services.bad_news import BadNews, act_on
from communications.services.lifecycle import Transition
from core.choices import Channel
from core.sealing import SecretKey, load_keys, seal

_UNKNOWN_CLASS: Final = OutcomeClass.WEAK_RECIPIENT
_NO_BAD_NEWS: Final = frozenset({None, OutcomeClass.ACCEPTED, OutcomeClass.AMBIGUOUS})


@dataclass(frozen=True)
class Told:
    """One receipt whose attempt is known. `payload`: the provider's own words."""

    kind: ReceiptKind
    by_machine: bool
    received_at: datetime
    occurred_at: datetime | None
    outcome_class: OutcomeClass | None
    code: str
    provider_message_id: str
    payload: Any

    @classmethod
    def of(cls, row: Receipt, payload: Any) -> Self:
        return cls(
            kind=ReceiptKind(row.kind),
            by_machine=row.by_machine,
            received_at=row.received_at,
            occurred_at=row.occurred_at,
            outcome_class=OutcomeClass(row.outcome_class) if row.outcome_class else None,
            code=row.outcome_code,
            provider_message_id=row.provider_message_id,
            payload=payload,
        )


@dataclass(frozen=True)
class _Case:
    """What was told of one attempt, with its row (`attempt`) as it is under the locks."""

    attempt: Mapping[str, Any]
    told: Sequence[Told]
    any_delivered: bool

    @property
    def attempt_id(self) -> UUID:
        return UUID(str(self.attempt["id"]))

    @cached_property
    def before(self) -> AttemptStatus:
        return AttemptStatus(self.attempt["delivery_status"])

    @cached_property
    def after(self) -> AttemptStatus:
        return rules.merged(
            self.before, (rules.shows(each.kind, by_machine=each.by_machine) for each in self.told)
        )

    @property
    def is_newest(self) -> bool:
        return bool(self.attempt["number"] == self.attempt["attempt_count"])

    @property
    def under_way(self) -> bool:
        """Its call is still being made, or about to be recorded: what was told of it waits for that."""
        return (
            self.attempt["status"] == Status.SENDING
            and self.is_newest
            and self.before is AttemptStatus.CALLING
        )

    @property
    def turned_bad(self) -> bool:
        return self.after is AttemptStatus.UNDELIVERED and self.before is not AttemptStatus.UNDELIVERED

    @property
    def moves_message(self) -> bool:
        return self.turned_bad and rules.acts_on_message(
            is_newest=self.is_newest, any_delivered=self.any_delivered, status=Status(self.attempt["status"])
        )

    def at(self, told: Told) -> datetime:
        return rules.instant_of(
            told.occurred_at, received_at=told.received_at, started_at=self.attempt["started_at"]
        )

    def is_back_on(self, taken: Set[Channel]) -> dict[str, Any]:
        """It arrived on the channel of this attempt after all, though it had gone on to another one."""
        channel = Channel(self.attempt["channel"])
        went_on = self.attempt["row_channel"] != channel
        return {"channel": channel.value} if went_on and channel not in taken else {}

    @cached_property
    def bad_class(self) -> OutcomeClass:
        outcome = self.worst.outcome_class
        return _UNKNOWN_CLASS if outcome is None or outcome in _NO_BAD_NEWS else outcome

    @cached_property
    def worst(self) -> Told:
        """The bad news that counts: the earliest."""
        return min((each for each in self.told if each.kind in rules.NEGATIVE), key=self.at)


def apply_evidence(told: Mapping[UUID, Sequence[Told]], *, actor: str, now: datetime) -> frozenset[UUID]:
    """Apply what was told, by attempt id, in the caller's transaction.

    Returns the attempts whose call is not recorded yet: what was told of them is to be told again in a moment.
    """
    cases = _cases(told)
    early = frozenset(case.attempt_id for case in cases if case.under_way)
    cases = [case for case in cases if not case.under_way]
    if not cases:
        return early
    keys = _keys(cases)
    written: set[int] = set()
    for status in ARRIVED:
        _raise_to(status, cases, keys, written, actor=actor, now=now)
    act_on([_bad_news(case, keys) for case in cases if case.turned_bad], actor=actor, now=now)
    written |= {id(case.worst) for case in cases if case.moves_message}
    lifecycle.note_times(_times(cases))
    attempts.merge([_merged(case, keys) for case in cases])
    DeliveryEvent.objects.bulk_create(_notes(cases, keys, written, actor, now))
    return early


def _cases(told: Mapping[UUID, Sequence[Told]]) -> list[_Case]:
    """Locks clients and requests of what is bad news, and all communications, then reads."""
    owners = DeliveryAttempt.objects.filter(id__in=told).values_list(
        "id",
        "communication_id",
        "communication__client_id",
        "communication__request_id",
        "channel",
        "communication__channel",
    )
    owner_of = {row[0]: row[1:4] for row in owners}
    gone_on = [row[1:4] for row in owners if row[4] != row[5]]
    bad = [
        owner_of[attempt_id]
        for attempt_id, items in told.items()
        if any(each.kind in rules.NEGATIVE | rules.OPT_OUT for each in items)
    ]
    if bad:
        _lock(Client.objects.filter(id__in={client for _, client, _ in bad}))
    if bad or gone_on:
        _lock(CommunicationRequest.objects.filter(id__in={request for *_, request in [*bad, *gone_on]}))
    communications = {communication for communication, *_ in owner_of.values()}
    _lock(Communication.objects.filter(id__in=communications))
    rows = _attempt_rows(communications)
    delivered = {row["communication_id"] for row in rows if row["delivery_status"] == AttemptStatus.DELIVERED}
    cases = [
        _Case(row, told[row["id"]], row["communication_id"] in delivered) for row in rows if row["id"] in told
    ]
    delivered |= {case.attempt["communication_id"] for case in cases if case.after is AttemptStatus.DELIVERED}
    return [_Case(case.attempt, case.told, case.attempt["communication_id"] in delivered) for case in cases]


def _lock(rows: Any) -> None:
    list(rows.order_by("id").select_for_update(no_key=True).values_list("id"))


def _attempt_rows(communications: set[UUID]) -> list[dict[str, Any]]:
    """All attempts of the communications, with what decides about them."""
    related = {
        "status": F("communication__status"),
        "attempt_count": F("communication__attempt_count"),
        "row_channel": F("communication__channel"),
        "client_id": F("communication__client_id"),
        "data_key_id": F("communication__client__data_key_id"),
        "request_id": F("communication__request_id"),
        "urgency": F("communication__urgency"),
        "message_type": F("communication__message_type"),
        "retry_count": F("communication__retry_count"),
        "put_back_count": F("communication__put_back_count"),
        "expires_at": F("communication__expires_at"),
        "deliver_by": F("communication__request__deliver_by"),
        "fallbacks": KeyTransform("fallbacks", "communication__request__strategy"),
    }
    rows = DeliveryAttempt.objects.filter(communication_id__in=communications).order_by(
        "communication_id", "number"
    )
    own = ("id", "communication_id", "number", "channel", "contact_point_id", "delivery_status", "started_at")
    return [dict(row) for row in rows.values(*own, **related)]


def _keys(cases: Sequence[_Case]) -> dict[UUID, SecretKey]:
    """Per client; absent for those who were erased: of what is told about them class and time stay."""
    found = load_keys(case.attempt["data_key_id"] for case in cases)
    return {
        case.attempt["client_id"]: found[case.attempt["data_key_id"]]
        for case in cases
        if case.attempt["data_key_id"] in found
    }


def _raise_to(
    status: Status,
    cases: Sequence[_Case],
    keys: Mapping[UUID, SecretKey],
    written: set[int],
    *,
    actor: str,
    now: datetime,
) -> None:
    """One step up for every communication that something shows to have reached it; the earliest word of it counts."""
    first: dict[UUID, tuple[_Case, Told]] = {}
    for case in cases:
        for told in case.told:
            if status not in rules.reached(
                told.kind, by_machine=told.by_machine, before=case.before, after=case.after
            ):
                continue
            row = case.attempt["communication_id"]
            known = first.get(row)
            if known is None or case.at(told) < known[0].at(known[1]):
                first[row] = case, told
    taken = _used_by_siblings([case for case, _ in first.values()])
    wished = {
        row: Transition(
            communication_id=row,
            to=status,
            cause=Cause.RECEIPT,
            actor=actor,
            at=case.at(told),
            attempt_id=case.attempt_id,
            reason=told.kind.value,
            code=told.code,
            payload=_sealed(DeliveryEvent, "payload", told.payload, case, keys),
            changes=case.is_back_on(taken[row]),
        )
        for row, (case, told) in first.items()
    }
    applied = lifecycle.apply(wished.values(), now=now)
    written |= {id(first[row][1]) for row in applied.changed}


def _used_by_siblings(cases: Sequence[_Case]) -> Mapping[UUID, Set[Channel]]:
    """Per communication that had gone on to another channel: those that its siblings use now. Their requests are
    locked, so that none of them chooses one meanwhile."""
    used: dict[UUID, set[Channel]] = defaultdict(set)
    gone_on = {
        case.attempt["request_id"]: case.attempt["communication_id"]
        for case in cases
        if case.attempt["row_channel"] != case.attempt["channel"]
    }
    if gone_on:
        siblings = Communication.objects.filter(request_id__in=gone_on).exclude(
            status__in=[Status.FAILED, Status.CANCELLED]
        )
        for request_id, sibling, channel in siblings.values_list("request_id", "id", "channel"):
            if sibling != gone_on[request_id]:
                used[gone_on[request_id]].add(Channel(channel))
    return used


def _bad_news(case: _Case, keys: Mapping[UUID, SecretKey]) -> BadNews:
    told = case.worst
    row = case.attempt
    deadlines = [moment for moment in (row["expires_at"], row["deliver_by"]) if moment is not None]
    return BadNews(
        row=row,
        cause=Cause.BOUNCED if told.kind is ReceiptKind.BOUNCED else Cause.UNDELIVERED,
        at=case.at(told),
        code=told.code,
        payload=_sealed(DeliveryEvent, "payload", told.payload, case, keys),
        moves_message=case.moves_message,
        facts=CallFacts(
            outcome=case.bad_class,
            channel=Channel(row["channel"]),
            urgency=Urgency(row["urgency"]),
            now=told.received_at,
            deadline=min(deadlines),
            retries_spent=row["retry_count"],
            put_backs=row["put_back_count"],
        ),
    )


def _times(cases: Sequence[_Case]) -> Iterator[tuple[UUID, Status, datetime]]:
    for case in cases:
        for told in case.told:
            for status in rules.times_of(told.kind, by_machine=told.by_machine):
                yield case.attempt["communication_id"], status, case.at(told)


def _merged(case: _Case, keys: Mapping[UUID, SecretKey]) -> attempts.AttemptEvidence:
    bad = case.worst if case.turned_bad else None
    opened = [case.at(told) for told in case.told if Status.OPENED in _times_by(told)]
    clicked = [case.at(told) for told in case.told if Status.CLICKED in _times_by(told)]
    raised = ATTEMPT_RANK[case.after] > ATTEMPT_RANK[case.before]
    return attempts.AttemptEvidence(
        attempt_id=case.attempt_id,
        status=case.after if raised else None,
        outcome_class=case.bad_class if bad else OutcomeClass.ACCEPTED,
        code=bad.code if bad else "",
        provider_message_id=next(
            (told.provider_message_id for told in case.told if told.provider_message_id), ""
        ),
        error=_sealed(DeliveryAttempt, "error_message", _words(bad.payload), case, keys) if bad else None,
        at=min(case.at(told) for told in case.told),
        opened_at=min(opened, default=None),
        clicked_at=min(clicked, default=None),
    )


def _times_by(told: Told) -> list[Status]:
    return rules.times_of(told.kind, by_machine=told.by_machine)


def _words(payload: Any) -> str | None:
    """What a provider said in words, of its own form: our readers put it under `said`."""
    said = payload.get("said") if isinstance(payload, Mapping) else None
    return said if isinstance(said, str) and said else None


def _notes(
    cases: Sequence[_Case],
    keys: Mapping[UUID, SecretKey],
    written: set[int],
    actor: str,
    now: datetime,
) -> Iterator[DeliveryEvent]:
    """What changed no status is kept beside the changes."""
    for case in cases:
        for told in case.told:
            if id(told) not in written:
                yield DeliveryEvent(
                    communication_id=case.attempt["communication_id"],
                    attempt_id=case.attempt_id,
                    cause=Cause.RECEIPT,
                    actor=actor,
                    reason=told.kind.value,
                    code=told.code,
                    occurred_at=case.at(told),
                    recorded_at=now,
                    payload=_sealed(DeliveryEvent, "payload", told.payload, case, keys),
                )


def _sealed(model: Any, field: str, value: Any, case: _Case, keys: Mapping[UUID, SecretKey]) -> bytes | None:
    key = keys.get(case.attempt["client_id"])
    return seal(model, field, value, key) if key is not None and value is not None else None
