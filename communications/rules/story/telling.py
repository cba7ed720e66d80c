from collections.abc import Iterator
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from communications.choices import Cause, OutcomeClass, Role, Status
from communications.rules.story.events import Run, tell_run, told_runs, went_out
from communications.rules.story.facts import Story, StoryEvent, StoryFacts
from communications.rules.story.voice import Voice, sentence
from communications.rules.story.words import CANCELLED_ACTIONS, FAILED_ACTIONS
from core.choices import Channel

WHY_CHANNEL: Final = frozenset(
    {
        "preferred_channel",
        "whatsapp_first",
        "critical_order",
        "detailed_email_first",
        "client_order",
        "usual_channel",
        "other_channel",
        "only_open_channel",
        "more_engagement",
        "sent_again",
    }
)
WHY_LATER: Final = frozenset(
    {
        "send_at",
        "paused",
        "quiet_hours",
        "night",
        "sms_hours",
        "contact_window",
        "digest_slot",
        "best_hour",
        "client_frequency",
        "frequency_cap",
    }
)
TOLD_AS_STORED: Final = frozenset(
    {
        "preferred_not_used",
        "critical_any_channel",
        "no_contact_point",
        "no_consent",
        "suppressed",
        "undeliverable",
        "not_chosen",
        "not_configured",
        "cannot_carry",
        "no_sending_hours",
        "expired",
        "event_passed",
        "cannot_meet_deadline",
        "contact_window_gave_way",
        "default_timezone",
        "low_engagement",
        "slot_gave_way",
        "brings_together",
        "deadline_passed",
    }
)
"""About channels that were left out and what stood in for what is not known: the stored sentence names the channel."""

_DEGRADED: Final = MappingProxyType(
    {
        "template_missing": (
            "It has no template of its own yet, so it uses the general one.",
            "Make a template for “{label}”, so that the next one looks as it should.",
        ),
        "rendering_failed": (
            "Its template could not be filled in, so it is plain text.",
            "Mend the template for “{label}”, so that the next one looks as it should.",
        ),
    }
)
_NEXT: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        Status.HELD: "It goes out with the next digest.",
        Status.MERGED: "It goes out in its digest, which tells how it went.",
        Status.SENDING: "It is being sent at this moment.",
        Status.IN_DOUBT: "It is not sent again by itself, so that {client} does not get it twice.",
        Status.SENT: "Nothing more is planned for this message.",
        Status.DELIVERED: "Nothing more is planned for this message.",
        Status.OPENED: "Nothing more is planned for this message.",
        Status.CLICKED: "Nothing more is planned for this message.",
        Status.RESPONDED: "Nothing more is planned for this message.",
        Status.FAILED: "It is not tried again by itself.",
        Status.CANCELLED: "It stays cancelled. Sending it after all makes a new message.",
    }
)
_OF_DIGEST: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        Status.SCHEDULED: "It is in a digest that goes out within minutes, or as soon as it may.",
        Status.SENDING: "It is in a digest that is being sent at this moment.",
        Status.SENT: "Its digest went out{at}. Nothing more is planned for this message.",
        Status.DELIVERED: "Its digest went out{at} and arrived. Nothing more is planned for this message.",
        Status.OPENED: "Its digest went out{at} and was opened. Nothing more is planned for this message.",
        Status.CLICKED: "A link in its digest was opened. Nothing more is planned for this message.",
        Status.RESPONDED: "{client} answered to its digest. Nothing more is planned for this message.",
        Status.IN_DOUBT: "Nobody knows whether its digest arrived, so it is not sent again by itself.",
        Status.FAILED: "Its digest could not be delivered. It is not tried again by itself.",
        Status.CANCELLED: "Its digest was taken apart; it is held again within seconds.",
    }
)
"""What is next for a merged message, by the status of its digest."""

_LOOK_AT_DIGEST: Final = MappingProxyType(
    {
        Status.IN_DOUBT: "Look at its digest: what helps is told there.",
        Status.FAILED: "Look at its digest: what helps is told there.",
    }
)
_IN_DOUBT_ACTION: Final = (
    "Ask {client} whether it arrived, or look into the log of {provider}. "
    "Then send it again, or close its item on Today."
)
_LAPSED_ACTION: Final = (
    "Give the id of this message to whoever runs the system: the log says why its workers stopped."
)
_CONFIG_ACTION: Final = "Put our account with {provider} in order; the message then goes out by itself."
_NO_MORE_FROM_MAIL: Final = "A mail server tells us no more than this."
_AT_PLANNING: Final = frozenset({Cause.NO_OPEN_CHANNEL, Cause.DEADLINE_UNREACHABLE})
_A_WAIT: Final = timedelta(minutes=1)


def tell(facts: StoryFacts) -> Story:
    """The same facts give the same words. What is not known here is said in general words; nothing stops the story."""
    voice = Voice(facts)
    runs = told_runs(facts.events)
    told = tuple(_told(voice, runs))
    return Story(told=told, next=_next(voice), action=voice.fill(_action(facts, runs)))


def _told(voice: Voice, runs: list[Run]) -> Iterator[str]:
    facts = voice.facts
    if facts.planned_at is not None:
        yield _why_channel(voice)
        yield from _as_stored(facts)
    opening, rest = _opening(voice, runs)
    if opening:
        yield opening
    for run in rest:
        yield tell_run(voice, run)
    if facts.planned_at is None:
        yield from _as_stored(facts)
    if facts.degraded in _DEGRADED:
        yield _DEGRADED[facts.degraded][0]


def _as_stored(facts: StoryFacts) -> Iterator[str]:
    return (reason.text for reason in facts.reasons if reason.code in TOLD_AS_STORED)


def _why_channel(voice: Voice) -> str:
    if voice.facts.role == Role.COMPANION:
        return voice.fill("This kind of message also goes out by {channel}, beside its main channel.")
    code = next((reason.code for reason in voice.facts.reasons if reason.code in WHY_CHANNEL), "")
    return voice.fill("We chose {channel}") + f"{voice.because(code)}."


def _opening(voice: Voice, runs: list[Run]) -> tuple[str, list[Run]]:
    """Why it went, or goes, at its time; with its sending, where nothing came between. And the runs that are left."""
    lead, join = _why_now(voice, runs)
    if runs and lead and runs[0][0].cause == Cause.ACCEPTED:
        return f"{lead}{join}{went_out(voice, runs[0][0])}.", runs[1:]
    # That nothing held it back is only worth saying of what went out.
    return (f"{lead}." if lead and lead != _NOTHING_HELD_IT else ""), runs


_NOTHING_HELD_IT: Final = "Nothing held it back"


def _why_now(voice: Voice, runs: list[Run]) -> tuple[str, str]:
    """The words and how its sending is joined to them; empty when it was never to be sent."""
    facts = voice.facts
    if facts.planned_at is None:
        return "", ""
    if any(reason.code == "critical_now" for reason in facts.reasons):
        return "A critical message waits for no hours", ": it "
    if facts.planned_at - facts.created_at < _A_WAIT:
        return _NOTHING_HELD_IT, ": it "
    verb = "It waited until"
    if facts.status == Status.HELD and facts.planned_at > facts.now:
        verb = "It waits until"
    elif not runs:
        verb = "It waits until" if facts.status == Status.SCHEDULED else verb
    elif runs[0][0].at < facts.planned_at:
        verb = "It was planned for"
    return f"{verb} {voice.clock.say(facts.planned_at)}{_because_later(voice)}", ", "


def _because_later(voice: Voice) -> str:
    codes = [reason.code for reason in voice.facts.reasons if reason.code in WHY_LATER]
    if voice.facts.channel is not Channel.SMS:
        codes = [code for code in codes if code != "sms_hours"]
    return " and".join(voice.because(code) for code in dict.fromkeys(codes))


def _next(voice: Voice) -> str:
    facts = voice.facts
    if facts.status == Status.SCHEDULED:
        return _next_of_waiting(voice)
    if facts.status == Status.HELD and facts.due_at is not None and facts.due_at > facts.now:
        return f"It goes out with the digest of {voice.clock.say(facts.due_at)}."
    if facts.status == Status.MERGED and facts.digest is not None:
        at = f" at {voice.clock.say(facts.digest.at, seconds=True)}" if facts.digest.at is not None else ""
        return voice.fill(_OF_DIGEST.get(facts.digest.status, _NEXT[Status.MERGED]), at=at)
    if facts.status == Status.SENDING and facts.cancel_requested:
        return "Somebody asked to cancel it: it stops if its call has not begun."
    words = voice.fill(_NEXT.get(facts.status, ""))
    if facts.status == Status.SENT and facts.channel is Channel.EMAIL:
        words = f"{words} {_NO_MORE_FROM_MAIL}"
    return sentence(words)


def _next_of_waiting(voice: Voice) -> str:
    facts = voice.facts
    goes = "We try again" if facts.attempts else "It goes out"
    if facts.waits:
        until = voice.clock.say(facts.expires_at)
        return f"{goes} by itself as soon as that is over. It is worth sending until {until}."
    if facts.due_at is None or facts.due_at <= facts.now:
        return f"{goes} within seconds, as soon as a worker is free."
    due = voice.clock.say(facts.due_at)
    return f"{goes} at {due}. It is worth sending until {voice.clock.say(facts.expires_at)}."


def _action(facts: StoryFacts, runs: list[Run]) -> str:
    last = runs[-1][-1] if runs else None
    outcome = next((attempt.outcome for attempt in reversed(facts.attempts) if attempt.outcome), "")
    words = ""
    if facts.status == Status.IN_DOUBT:
        words = _IN_DOUBT_ACTION
    elif facts.status == Status.MERGED and facts.digest is not None:
        words = _LOOK_AT_DIGEST.get(Status(facts.digest.status), "")
    elif facts.status == Status.FAILED:
        lapsed = last is not None and last.cause == Cause.LEASE_LAPSED_TOO_OFTEN
        words = _LAPSED_ACTION if lapsed else FAILED_ACTIONS.get(outcome, "Reach {client} in another way.")
    elif facts.status == Status.CANCELLED:
        return _action_of_cancelled(facts, last)
    elif facts.status == Status.SCHEDULED and outcome == OutcomeClass.CONFIG:
        words = _CONFIG_ACTION
    return words or _DEGRADED.get(facts.degraded, ("", ""))[1]


def _action_of_cancelled(facts: StoryFacts, last: StoryEvent | None) -> str:
    codes = [last.reason] if last is not None else []
    if last is not None and last.cause in _AT_PLANNING:
        codes += [reason.code for reason in facts.reasons]
    # The general one comes first in the stored reasons; what is particular helps more.
    codes.sort(key="no_open_channel".__eq__)
    return next((CANCELLED_ACTIONS[code] for code in codes if code in CANCELLED_ACTIONS), "")
