from communications.rules.reasons import CHANNEL_WORDS
from communications.rules.story.facts import StoryAttempt, StoryEvent, StoryFacts
from communications.rules.story.times import Moments
from communications.rules.story.words import REASON_CLAUSES
from core.choices import Channel


def provider_words(channel: Channel) -> str:
    """Whom we gave it to."""
    return "the mail server" if channel is Channel.EMAIL else f"the {CHANNEL_WORDS[channel]} provider"


class Voice:
    """Fills in the words of one story. Instants are named relative to the one named before, so they are asked for
    in the order in which they are read."""

    def __init__(self, facts: StoryFacts) -> None:
        self.facts = facts
        self.clock = Moments(zone=facts.zone, viewer_zone=facts.viewer_zone, now=facts.now)
        self.provider = provider_words(facts.channel)
        self._values = {
            "client": facts.client_name or "the client",
            "channel": CHANNEL_WORDS[facts.channel],
            "provider": self.provider,
            "address": "e-mail address" if facts.channel is Channel.EMAIL else "number",
            "label": facts.label,
        }

    def fill(self, words: str, **more: str) -> str:
        return words.format(**self._values, **more)

    def because(self, code: str) -> str:
        """` because of the night`; empty for a reason that has no words."""
        clause = self.clause(code)
        return f" because {clause}" if clause else ""

    def clause(self, code: str) -> str:
        return self.fill(REASON_CLAUSES.get(code, ""))

    def at(self, event: StoryEvent) -> str:
        return self.clock.say(event.at, seconds=True)

    def began(self, event: StoryEvent) -> str:
        """When the call that an event is about went out."""
        attempt = self.attempt(event.attempt)
        return self.clock.say(attempt.started_at if attempt else event.at, seconds=True)

    def attempt(self, number: int) -> StoryAttempt | None:
        return next((attempt for attempt in self.facts.attempts if attempt.number == number), None)


def sentence(words: str) -> str:
    """With a capital letter."""
    return words[:1].upper() + words[1:]
