"""What the generic message says for each message type: to clients, in their terms, without any detail.

It stands in where a type has no template, so it must be right without knowing the content: no figures, no
promises, and never the text of an error.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from communications.choices import MessageType


@dataclass(frozen=True)
class Wording:
    """`{event}` in the texts stands for the client's kind of event, as in "your wedding"."""

    headline: str
    paragraphs: tuple[str, ...]

    def about(self, event: str) -> "Wording":
        return Wording(
            headline=self.headline.replace("{event}", event),
            paragraphs=tuple(paragraph.replace("{event}", event) for paragraph in self.paragraphs),
        )


_NEWS: Final = Wording(
    "News about your {event} plan",
    (
        "There is news about the plan of your {event}.",
        "Write to us and we will go through it with you.",
    ),
)

_WORDINGS: Final = MappingProxyType(
    {
        MessageType.WELCOME: Wording(
            "Your {event} plan is open",
            (
                "We have opened a plan for your {event} and are starting on it now.",
                "You will hear from us as soon as there is something for you to look at or decide.",
            ),
        ),
        MessageType.BUDGET_SUMMARY: Wording(
            "The budget options for your {event} are ready",
            (
                "We have worked out how the budget of your {event} could be divided.",
                "Write to us and we will go through the options with you.",
            ),
        ),
        MessageType.VENDOR_OPTIONS: Wording(
            "The vendor options for your {event} are ready",
            (
                "We have put together combinations of vendors that suit your {event}.",
                "Write to us and we will go through them with you, so that you can choose one.",
            ),
        ),
        MessageType.SELECTION_CONFIRMATION: Wording(
            "Your choice for your {event} is confirmed",
            (
                "Thank you for choosing. We have noted your selection and go on planning with it.",
                "You do not need to do anything now; the plan of your {event} comes next.",
            ),
        ),
        MessageType.BLUEPRINT_DELIVERY: Wording(
            "The plan of your {event} is finished",
            (
                "The blueprint of your {event} is ready: every date, name and task in one place.",
                "Write to us and we will see that you have it in the form that suits you.",
            ),
        ),
        MessageType.ERROR_NOTIFICATION: Wording(
            "A delay in planning your {event}",
            (
                "We are sorry: something went wrong on our side while we were planning your {event}.",
                "You do not need to do anything. Our team has been told and is looking into it, and we will "
                "write again when the planning goes on. If you would rather ask now, write to us.",
            ),
        ),
        MessageType.REMINDER: Wording(
            "Something about your {event} waits for you",
            (
                "We wrote to you about your {event} and have not had your answer yet.",
                "When you have a moment, please look at our earlier message, or write to us.",
            ),
        ),
        MessageType.TIMELINE_UPDATE: Wording(
            "The timeline of your {event} has changed",
            (
                "The timeline of your {event} has changed.",
                "Write to us for the details.",
            ),
        ),
        MessageType.TASK_UPDATE: Wording(
            "Progress on your {event}",
            (
                "A task in the plan of your {event} has moved on.",
                "Write to us for the details.",
            ),
        ),
        MessageType.CUSTOM: Wording("A message about your {event}", _NEWS.paragraphs),
        MessageType.DIGEST: Wording("News about your {event}", _NEWS.paragraphs),
    }
)


def wording_of(message_type: str, *, event: str) -> Wording:
    """`event` is the kind of event as it stands in a sentence: wedding, birthday party, event."""
    known = {kind.value: wording for kind, wording in _WORDINGS.items()}
    return known.get(message_type, _NEWS).about(event)
