"""What a pause is called on the pages: plain data."""

from dataclasses import dataclass

from communications.choices import MessageType, PauseScope
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.reasons import CHANNEL_WORDS
from core.choices import Channel


@dataclass(frozen=True)
class PauseWords:
    """`what` stands after a verb ("Pause …"), `state` is a sentence, `reach` says what does not go out."""

    what: str
    state: str
    reach: str


def pause_words(scope: PauseScope, value: str) -> PauseWords:
    """`value` as pauses hold it."""
    if scope is PauseScope.EVERYTHING:
        return PauseWords("all sending", "All sending is paused", "Nothing goes out on any channel")
    if scope is PauseScope.CHANNEL:
        channel = CHANNEL_WORDS[Channel(value)]
        state = f"{channel[:1].upper()}{channel[1:]} is paused"
        return PauseWords(channel, state, f"Nothing goes out by {channel}")
    if scope is PauseScope.MESSAGE_TYPE:
        kind = f"messages of the kind “{MESSAGE_TYPES[MessageType(value)].label}”"
    else:
        kind = f"messages of plan {value}"
    return PauseWords(kind, f"{kind[:1].upper()}{kind[1:]} are paused", f"No {kind} go out")
