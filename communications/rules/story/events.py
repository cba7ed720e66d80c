"""What happened to a communication, event by event."""

from collections.abc import Callable, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Final

from communications.choices import Cause, Status
from communications.rules.story.codes import code_words, is_reply
from communications.rules.story.facts import StoryEvent
from communications.rules.story.times import span_words
from communications.rules.story.voice import Voice, sentence
from communications.rules.story.words import CAUSES, OUTCOMES, PROGRESS, TOLD_BESIDE

Run = Sequence[StoryEvent]

_SILENT: Final = frozenset({Cause.PLANNED, Cause.CLAIMED})
_TIMES_TOLD: Final = 3


def told_runs(events: Sequence[StoryEvent]) -> list[Run]:
    """The events that a story tells, each run of the same trouble as one."""
    told = [event for event in events if event.cause not in _SILENT and not _is_aside(event)]
    return [
        list(run) for _, run in groupby(told, key=lambda each: (each.cause, each.reason, each.code, each.to))
    ]


def _is_aside(event: StoryEvent) -> bool:
    """A receipt that changed nothing and tells people nothing."""
    return event.cause == Cause.RECEIPT and not event.to and event.reason not in TOLD_BESIDE


def cause_label(cause: str) -> str:
    """A cause in a list of events."""
    known = CAUSES.get(cause)
    return known.label if known else sentence(cause.replace("_", " "))


def tell_run(voice: Voice, run: Run) -> str:
    """One run of events in one or two sentences."""
    return sentence(_TELLERS.get(run[0].cause, _simply)(voice, run))


def went_out(voice: Voice, event: StoryEvent) -> str:
    return f"went out at {voice.began(event)} and was accepted by {voice.provider}"


def _accepted(voice: Voice, run: Run) -> str:
    return f"it {went_out(voice, run[0])}."


def _put_back(voice: Voice, run: Run) -> str:
    did = _what_provider_did(voice, run[0])
    if len(run) > _TIMES_TOLD:
        first, last = voice.at(run[0]), voice.at(run[-1])
        return f"{did} {len(run)} times between {first} and {last}; each time it was put back."
    times = " and ".join(voice.at(event) for event in run)
    waits = [words for event in run if (words := _wait_after(voice, event))]
    again = "; we tried again after " + ", then after ".join(waits) if waits else ""
    return f"{did} at {times}{again}."


def _wait_after(voice: Voice, event: StoryEvent) -> str:
    following = voice.attempt(event.attempt + 1) if event.attempt else None
    return span_words(following.started_at - event.at) if following else ""


def _given_up(voice: Voice, run: Run) -> str:
    event = run[0]
    if event.reason == "outcome_unknown":
        return f"nobody could find out whether it arrived, so at {voice.at(event)} it went on by another channel."
    if event.cause == Cause.NEXT_CHANNEL and not event.attempt:
        # Its provider was not even asked.
        return f"at {voice.at(event)} it went on by another channel{voice.because(event.reason)}."
    words = code_words(event.code) if is_reply(event.code) else ""
    did = f"{_what_provider_did(voice, event)} at {voice.at(event)}{f': {words}' if words else ''}"
    if event.cause == Cause.NEXT_CHANNEL:
        return f"{did}. So it went on by another channel."
    if event.reason in {"retries_used_up", "too_late"}:
        return f"{did}. It was not tried again, because {voice.clause(event.reason)}."
    return f"{did}. There was no other way left to send it."


def _unknown(voice: Voice, run: Run) -> str:
    words = code_words(run[0].code)
    return (
        f"it was handed over at {voice.began(run[0])}, but {voice.provider} did not confirm it"
        f"{f' ({words})' if words else ''}. Whether it arrived is not known."
    )


def _evidence(voice: Voice, run: Run) -> str:
    return voice.fill(PROGRESS.get(run[-1].to, "News of it came at {at}."), at=voice.at(run[-1]))


def _told(voice: Voice, run: Run) -> str:
    if not run[-1].to:
        return voice.fill(TOLD_BESIDE[run[-1].reason], at=voice.at(run[-1]))
    return _evidence(voice, run)


def _came_back(voice: Voice, run: Run) -> str:
    event = run[-1]
    words = code_words(event.code)
    why = f": {words}" if words else ""
    did = f"it came back at {voice.at(event)}"
    if event.cause == Cause.UNDELIVERED:
        did = voice.fill("at {at} {provider} told us that it could not be delivered", at=voice.at(event))
    if event.to == Status.FAILED:
        return f"{did}{why}. There was no other way left to send it."
    return f"{did}{why}. So it was to go out once more."


def _stopped(voice: Voice, run: Run) -> str:
    at = voice.at(run[0])
    return f"the check before sending stopped it at {at}{voice.because(run[0].reason)}."


def _not_now(voice: Voice, run: Run) -> str:
    at = voice.at(run[-1])
    return f"at {at} it could not go out yet{voice.because(run[-1].reason)}, so it waited on."


def _replanned(voice: Voice, run: Run) -> str:
    event = run[-1]
    words = voice.fill(
        "at {at} something about {client} changed, so its time was planned anew", at=voice.at(event)
    )
    due = voice.facts.due_at
    until = f": {voice.clock.say(due)}" if due is not None and _made_the_due_time(voice, event) else ""
    return f"{words}{until}{voice.because(event.reason)}."


def _made_the_due_time(voice: Voice, event: StoryEvent) -> bool:
    """Whether nothing after `event` moved the due time that is stored now."""
    later = [each for each in voice.facts.events if each.at > event.at]
    return all(each.cause in {*_SILENT, Cause.ACCEPTED} for each in later)


def _simply(voice: Voice, run: Run) -> str:
    event = run[-1]
    known = CAUSES.get(event.cause)
    if known is None or known.sentence is None:
        return f"{cause_label(event.cause)} at {voice.at(event)}."
    at = voice.at(event) if "{at}" in known.sentence else ""
    told = voice.fill(known.sentence, at=at, by=event.by)
    return told if len(run) == 1 else f"{told} That happened {len(run)} times."


def _what_provider_did(voice: Voice, event: StoryEvent) -> str:
    if event.code and not is_reply(event.code):
        return f"{voice.provider} could not be reached ({code_words(event.code)})"
    attempt = voice.attempt(event.attempt)
    did = voice.fill(OUTCOMES.get(attempt.outcome if attempt else "", "did not take it"))
    return f"{voice.provider} {did}{f' ({event.code})' if event.code else ''}"


_TELLERS: Final[MappingProxyType[str, Callable[[Voice, Run], str]]] = MappingProxyType(
    {
        Cause.ACCEPTED: _accepted,
        Cause.RETRY: _put_back,
        Cause.RATE_LIMITED: _put_back,
        Cause.DEFERRED: _put_back,
        Cause.CONFIGURATION: _put_back,
        Cause.NEXT_CHANNEL: _given_up,
        Cause.NO_CHANNEL_LEFT: _given_up,
        Cause.OUTCOME_UNKNOWN: _unknown,
        Cause.RECEIPT: _told,
        Cause.UNDELIVERED: _came_back,
        Cause.BOUNCED: _came_back,
        Cause.TRACKING: _evidence,
        Cause.ANSWER: _evidence,
        Cause.LATE_EVIDENCE: _evidence,
        Cause.REFUSED_BY_CHECK: _stopped,
        Cause.NOT_NOW: _not_now,
        Cause.REPLANNED: _replanned,
    }
)

TOLD_IN_ITS_OWN_WAY: Final = frozenset(_TELLERS) | _SILENT
"""Every other cause needs a sentence of its own in the words."""
