"""The story of a communication in sentences: why this channel, why this time, what happened, what is next.

Pure: stored facts in, words out. `telling` puts the story together, `events` tells what happened, `words` and `codes`
hold what causes, reasons, outcomes and providers' codes are called.
"""

from communications.rules.story.actors import actor_words
from communications.rules.story.codes import code_words
from communications.rules.story.events import cause_label
from communications.rules.story.facts import Story, StoryAttempt, StoryDigest, StoryEvent, StoryFacts
from communications.rules.story.telling import tell
from communications.rules.story.voice import provider_words

__all__ = [
    "Story",
    "StoryAttempt",
    "StoryDigest",
    "StoryEvent",
    "StoryFacts",
    "actor_words",
    "cause_label",
    "code_words",
    "provider_words",
    "tell",
]
