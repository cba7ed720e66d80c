"""Which channels are open for a message, and in what order: engine.md §Strategy."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from communications.choices import ContentType, Urgency
from communications.rules import reasons
from communications.rules.facts import ChannelFacts, Facts
from communications.rules.message_types import GoesOut, MessageTypeRule
from communications.rules.reasons import CHANNEL_WORDS, Reason, ReasonCode
from core.choices import Channel

_ENGAGEMENT_TOLD_BY: Final = 3
_URGENT: Final = frozenset({Urgency.CRITICAL, Urgency.HIGH})
_CRITICAL_ORDER: Final = (Channel.SMS, Channel.WHATSAPP, Channel.EMAIL)
# PRF-1: e-mail is the default; SMS last, because each costs and is meant for what cannot wait.
_DEFAULT_ORDER: Final = (Channel.EMAIL, Channel.WHATSAPP, Channel.SMS)


@dataclass(frozen=True)
class Ranked:
    """A channel and the rule that gave it its place."""

    channel: Channel
    code: ReasonCode

    def reason(self) -> Reason:
        return self.code.because(channel=CHANNEL_WORDS[self.channel])


def rank_channels(facts: Facts) -> tuple[Ranked, ...]:
    """Every channel once, the best first: open or not."""
    return _ranking(facts.rule, facts.urgency, facts.preferences.channels or (), facts.preferred_channel)


# As few rankings as there are come up again and again.
@lru_cache(maxsize=4096)
def _ranking(
    rule: MessageTypeRule, urgency: Urgency, chosen: tuple[Channel, ...], preferred: Channel | None
) -> tuple[Ranked, ...]:
    places: dict[Channel, Ranked] = {}
    for channel, code in _wishes(rule, urgency, chosen, preferred):
        places.setdefault(channel, Ranked(channel, code))
    return tuple(places.values())


def _wishes(
    rule: MessageTypeRule, urgency: Urgency, chosen: tuple[Channel, ...], preferred: Channel | None
) -> Iterator[tuple[Channel, ReasonCode]]:
    """Step 3, each rule in turn; a channel keeps the first place it is given."""
    if preferred is not None:
        yield preferred, reasons.PREFERRED_CHANNEL
    if urgency in _URGENT and Channel.WHATSAPP in chosen:
        yield Channel.WHATSAPP, reasons.WHATSAPP_FIRST
    if urgency is Urgency.CRITICAL:
        for channel in _CRITICAL_ORDER:
            yield channel, reasons.CRITICAL_ORDER
    if rule.content_type is ContentType.DETAILED:
        yield Channel.EMAIL, reasons.DETAILED_EMAIL_FIRST
    for channel in chosen:
        yield channel, reasons.CLIENT_ORDER
    for channel in (*(each.channel for each in rule.channels), *_DEFAULT_ORDER):
        yield channel, reasons.USUAL_CHANNEL


def closed_because(facts: Facts, channel: Channel) -> Reason | None:
    """Why a channel may not be used for this message, or None: it is open (step 1, and step 2's limit)."""
    known = facts.channels.get(channel)
    if known is None:
        code = reasons.NOT_CONFIGURED
    elif not known.has_contact_point:
        code = reasons.NO_CONTACT_POINT
    elif known.suppressed:
        code = reasons.SUPPRESSED
    elif not known.consent_allowed:
        code = reasons.NO_CONSENT
    elif known.undeliverable:
        code = reasons.UNDELIVERABLE
    elif not is_usable(facts.preferences.channels, channel, facts.urgency):
        code = reasons.NOT_CHOSEN
    elif not known.configured:
        code = reasons.NOT_CONFIGURED
    elif not known.carries_content:
        code = reasons.CANNOT_CARRY
    else:
        return None
    return code.because(channel=CHANNEL_WORDS[channel])


def is_ignored(known: ChannelFacts) -> bool:
    """Whether the client reacted to none of the last messages on the channel, and there were enough to tell (STR-5)."""
    recent = known.engaged[:_ENGAGEMENT_TOLD_BY]
    return len(recent) == _ENGAGEMENT_TOLD_BY and not any(recent)


def is_promising(known: ChannelFacts) -> bool:
    """Whether the client reacted on the channel, or it is untried."""
    return not known.engaged or any(known.engaged[:_ENGAGEMENT_TOLD_BY])


def demote_ignored(facts: Facts, ranked: Sequence[Channel]) -> tuple[Channel, ...]:
    """Step 4: the open channels in rank, each that the client ignores one place lower if another did better or is
    untried. Critical messages and the caller's preferred channel keep their places."""
    if facts.urgency is Urgency.CRITICAL or len(ranked) < 2:
        return tuple(ranked)
    ignored: set[Channel | None] = {channel for channel in ranked if is_ignored(facts.channels[channel])}
    if not ignored or not any(is_promising(facts.channels[channel]) for channel in ranked):
        return tuple(ranked)
    order = list(ranked)
    ignored.discard(facts.preferred_channel)
    # From the last on, so that each goes down one place and no more.
    for place in reversed(range(len(order) - 1)):
        if order[place] in ignored and order[place + 1] not in ignored:
            order[place], order[place + 1] = order[place + 1], order[place]
    return tuple(order)


def is_chosen(facts: Facts, channel: Channel) -> bool:
    """Whether the client's own choice allows the channel; one who never chose allows all."""
    chosen = facts.preferences.channels
    return chosen is None or channel in chosen


def is_usable(chosen: Collection[Channel] | None, channel: Channel, urgency: Urgency) -> bool:
    """Whether the client's choice leaves the channel open: a critical message may use any."""
    return chosen is None or channel in chosen or urgency is Urgency.CRITICAL


def table_channels(facts: Facts) -> tuple[Channel, ...]:
    """The channels that the message type's table sends this client out on; empty: by rank."""
    return _table_channels(facts.rule, facts.preferences.channels or ())


@lru_cache(maxsize=1024)
def _table_channels(rule: MessageTypeRule, chosen: tuple[Channel, ...]) -> tuple[Channel, ...]:
    return tuple(
        each.channel for each in rule.channels if each.goes_out is GoesOut.ALWAYS or each.channel in chosen
    )


def outgoing(ranked: Sequence[Channel], table: Collection[Channel]) -> tuple[Channel, ...]:
    """Step 2: of the open channels, in rank, those of the table; when it has none of them, the best."""
    return tuple(channel for channel in ranked if channel in table) or tuple(ranked[:1])


def fallback_order(ranked: Sequence[Channel], *, failed: Channel, urgency: Urgency) -> tuple[Channel, ...]:
    """Step 5: the open channels to go to, in order, when `failed` cannot deliver.

    E-mail stands in for a messaging channel; critical tries the other messaging channel before. For e-mail it
    is the next channel in rank.
    """
    others = tuple(channel for channel in ranked if channel is not failed)
    if failed is Channel.EMAIL or len(others) < 2:
        return others
    email_last = urgency is Urgency.CRITICAL
    return tuple(sorted(others, key=lambda channel: (channel is Channel.EMAIL) is email_last))


def next_channel(
    fallbacks: Sequence[Channel], *, open_now: Collection[Channel], taken: Collection[Channel]
) -> Channel | None:
    """The first of the stored `fallbacks` that is open now. `taken` are those that a sibling uses, unless it surely
    failed there, and those that this communication itself already failed on."""
    for channel in fallbacks:
        if channel in open_now and channel not in taken:
            return channel
    return None
