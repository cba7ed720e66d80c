"""What is sent, by which channels, when and why: the decision about one request (ORC-1, STR-1 to STR-6).

Pure: facts in, `Strategy` out. It is stored with the request, also when the decision is not to send.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from communications.choices import Cause, ContentType, Role, Urgency
from communications.rules import reasons
from communications.rules.channels import (
    Ranked,
    closed_because,
    demote_ignored,
    fallback_order,
    is_chosen,
    is_ignored,
    outgoing,
    rank_channels,
    table_channels,
)
from communications.rules.facts import Facts
from communications.rules.message_types import priority_of
from communications.rules.reasons import CHANNEL_WORDS, Reason, clock_text
from communications.rules.slots import batch_key
from communications.rules.timing import Due, Never, plan_time
from core.choices import Channel


@dataclass(frozen=True)
class Delivery:
    """One communication to make: due at `send_at`, to be sent before `send_before` (the window's end or a
    deadline)."""

    channel: Channel
    role: Role
    send_at: datetime
    send_before: datetime
    content_type: ContentType
    priority: int


@dataclass(frozen=True)
class Strategy:
    """The decision. The first delivery is the primary. `batch_key`: it is not sent by itself but held for the digest
    of this key, which leaves at the delivery's `send_at`. `refused` says why nothing is sent, as a cause of the
    lifecycle; it is None exactly when there are deliveries."""

    deliveries: tuple[Delivery, ...]
    fallbacks: tuple[Channel, ...]
    reasons: tuple[Reason, ...]
    expires_at: datetime
    batch_key: str | None = None
    refused: Cause | None = None

    @property
    def send(self) -> bool:
        return bool(self.deliveries)

    def as_json(self) -> dict[str, Any]:
        """As stored with the request; instants in ISO 8601 with their offset."""
        return {
            "send": self.send,
            "deliveries": [
                {
                    "channel": delivery.channel.value,
                    "role": delivery.role.value,
                    "send_at": delivery.send_at.isoformat(),
                    "send_before": delivery.send_before.isoformat(),
                    "content_type": delivery.content_type.value,
                    "priority": delivery.priority,
                }
                for delivery in self.deliveries
            ],
            "fallbacks": [channel.value for channel in self.fallbacks],
            "batch_key": self.batch_key,
            "reasons": [{"code": reason.code, "text": reason.text} for reason in self.reasons],
            "expires_at": self.expires_at.isoformat(),
            "refused": self.refused.value if self.refused else None,
        }


@dataclass(frozen=True)
class _Candidate:
    """A ranked channel with what speaks against it or when it could go out."""

    ranked: Ranked
    closed: Reason | None
    due: Due | Never | None

    @property
    def channel(self) -> Channel:
        return self.ranked.channel


def decide(facts: Facts) -> Strategy:
    """The strategy for one request: which open channels go out, who is primary, when, and what if not."""
    candidates = _candidates(facts)
    usable = {item.channel: item.due for item in candidates if isinstance(item.due, Due)}
    if facts.client_erased or not usable:
        return _refusal(facts, candidates)
    table = table_channels(facts)
    plain = tuple(usable)
    order = demote_ignored(facts, plain)
    going, fallbacks = _division(facts, order, table)
    key = _batch_key(facts, going, usable)
    told = [
        *_primary_reasons(candidates, going[0], table, only_one=len(usable) == 1),
        *_left_out(candidates, going[0], table),
        *_preference_reasons(facts, going, usable),
        *_time_reasons(facts, [usable[channel] for channel in going]),
    ]
    if order != plain:
        before = _division(facts, plain, table)
        told = _with_engagement(facts, told, before, (going, fallbacks))
    if key is not None:
        told.append(reasons.JOINS_DIGEST.because())
    return Strategy(
        deliveries=tuple(
            _delivery(facts, channel, usable[channel], Role.COMPANION if place else Role.PRIMARY)
            for place, channel in enumerate(going)
        ),
        fallbacks=fallbacks,
        reasons=_each_once(told),
        expires_at=facts.expiry()[0],
        batch_key=key,
    )


def passed(facts: Facts) -> Strategy:
    """Nothing is sent, because the plan has passed this step (`rules/stages.py`)."""
    expires_at, _ = facts.expiry()
    return Strategy(
        deliveries=(),
        fallbacks=(),
        reasons=(reasons.STAGE_PASSED.because(),),
        expires_at=expires_at,
        refused=Cause.STAGE_PASSED,
    )


_Division = tuple[tuple[Channel, ...], tuple[Channel, ...]]


def _division(facts: Facts, order: Sequence[Channel], table: Sequence[Channel]) -> _Division:
    """Of the channels in their order those that go out, the primary first, and those that stand by."""
    going = outgoing(order, table)
    spare = [channel for channel in order if channel not in going]
    return going, fallback_order(spare, failed=going[0], urgency=facts.urgency)


def _batch_key(facts: Facts, going: Sequence[Channel], usable: Mapping[Channel, Due]) -> str | None:
    """The digest that the message is held for, or None: it goes out by itself."""
    due = usable[going[0]]
    if not (facts.joins_digests(going[0]) and due.in_slot):
        return None
    return batch_key(going[0], facts.rule.purpose, due.at, facts.zone)


def _candidates(facts: Facts) -> list[_Candidate]:
    ranking = rank_channels(facts)
    closed = {ranked.channel: closed_because(facts, ranked.channel) for ranked in ranking}
    due = _times(facts, [channel for channel, why in closed.items() if why is None])
    return [_Candidate(ranked, closed[ranked.channel], due.get(ranked.channel)) for ranked in ranking]


def _times(facts: Facts, channels: Sequence[Channel]) -> dict[Channel, Due | Never]:
    """When each of the channels could go out. SMS has hours of its own, and digests are of one channel; else they
    share one time."""
    times: dict[Channel, Due | Never] = {}
    shared: Due | None = None
    for channel in channels:
        has_its_own = channel is Channel.SMS or bool(facts.digest_days(channel))
        if shared is not None and not has_its_own:
            times[channel] = shared
            continue
        times[channel] = found = plan_time(facts.terms_on(channel), facts.now)
        if isinstance(found, Due) and not has_its_own:
            shared = found
    return times


def _delivery(facts: Facts, channel: Channel, due: Due, role: Role) -> Delivery:
    return Delivery(
        channel=channel,
        role=role,
        send_at=due.at,
        send_before=due.send_before,
        content_type=facts.rule.content_on(channel),
        priority=priority_of(facts.urgency),
    )


def _refusal(facts: Facts, candidates: Sequence[_Candidate]) -> Strategy:
    """Nothing is sent: the client was erased, no channel is open, or none of the open ones can go out in time."""
    too_late = [item.due.reason for item in candidates if isinstance(item.due, Never)]
    if facts.client_erased:
        told, cause = [reasons.ERASED.because()], Cause.ERASED
    elif too_late:
        told, cause = [*too_late, *_deadline_passed(facts)], Cause.DEADLINE_UNREACHABLE
    else:
        told = [reasons.NO_OPEN_CHANNEL.because(), *(item.closed for item in candidates if item.closed)]
        cause = Cause.NO_OPEN_CHANNEL
    return Strategy(
        deliveries=(), fallbacks=(), reasons=_each_once(told), expires_at=facts.expiry()[0], refused=cause
    )


def _deadline_passed(facts: Facts) -> list[Reason]:
    if facts.deliver_by is None or facts.deliver_by > facts.now:
        return []
    return [reasons.DEADLINE_PASSED.because(until=clock_text(facts.deliver_by, facts.zone, facts.now))]


def _primary_reasons(
    candidates: Sequence[_Candidate],
    primary: Channel,
    table: Sequence[Channel],
    *,
    only_one: bool,
) -> list[Reason]:
    """Why the primary is the primary."""
    if table and primary not in table:
        code = reasons.ONLY_OPEN_CHANNEL if only_one else reasons.OTHER_CHANNEL
        return [code.because(channel=CHANNEL_WORDS[primary])]
    return [item.ranked.reason() for item in candidates if item.channel is primary]


def _left_out(candidates: Sequence[_Candidate], primary: Channel, table: Sequence[Channel]) -> list[Reason]:
    """Why channels that would have gone out, or gone first, do not."""
    told = []
    before_primary = True
    for item in candidates:
        before_primary = before_primary and item.channel is not primary
        why = item.due.reason if isinstance(item.due, Never) else item.closed
        if why is not None and (item.channel in table or before_primary):
            told.append(why)
    return told


def _preference_reasons(
    facts: Facts, going: Sequence[Channel], usable: Mapping[Channel, Due]
) -> list[Reason]:
    """Where the caller's or the client's choice was not followed although the channel is open."""
    told = []
    wished = facts.preferred_channel
    if wished is not None and wished in usable and wished not in going:
        told.append(reasons.PREFERRED_NOT_USED.because(label=facts.rule.label, channel=CHANNEL_WORDS[wished]))
    if facts.urgency is Urgency.CRITICAL:
        told += [
            reasons.CRITICAL_ANY_CHANNEL.because(channel=CHANNEL_WORDS[channel])
            for channel in going
            if not is_chosen(facts, channel)
        ]
    return told


def _with_engagement(
    facts: Facts, told: Sequence[Reason], before: _Division, after: _Division
) -> list[Reason]:
    """The reasons with what engagement changed; as they are where it changed nothing that matters."""
    if before == after:
        return list(told)
    ignored = [channel for channel in before[0] + before[1] if is_ignored(facts.channels[channel])]
    lower = [reasons.LOW_ENGAGEMENT.because(channel=CHANNEL_WORDS[channel]) for channel in ignored]
    if before[0][0] is after[0][0]:
        return [*told, *lower]
    first = reasons.MORE_ENGAGEMENT.because(channel=CHANNEL_WORDS[after[0][0]])
    return [first, *told[1:], *lower]


def _time_reasons(facts: Facts, dues: Sequence[Due]) -> list[Reason]:
    told = [reason for due in dues for reason in due.reasons]
    if facts.zone_defaulted and facts.urgency is not Urgency.CRITICAL:
        told.append(reasons.DEFAULT_TIMEZONE.because(zone=facts.zone.key))
    return told


def _each_once(told: Sequence[Reason]) -> tuple[Reason, ...]:
    return tuple(dict.fromkeys(told))
