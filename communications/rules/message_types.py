"""The message types and what holds for each: plain data. A new type is one row here and a template.

The generic template is no type: it stands in when the template of a type is missing.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from communications.choices import ContentType, MessageType, Role, Urgency
from core.choices import Channel, Purpose

DEFAULT_EXPIRY: Final = timedelta(days=7)
ERROR_EXPIRY: Final = timedelta(hours=6)

_PRIORITIES: Final = MappingProxyType(
    {Urgency.CRITICAL: 1, Urgency.HIGH: 3, Urgency.NORMAL: 5, Urgency.LOW: 7}
)


def priority_of(urgency: Urgency) -> int:
    """Lower is sooner: critical 1, high 3, normal 5, low 7."""
    return _PRIORITIES[urgency]


PRIORITIES: Final[tuple[int, ...]] = tuple(sorted(_PRIORITIES.values()))
"""Every priority there is, the soonest first: the queue is read once for each."""


class Answer(StrEnum):
    """Whether a message asks the client for something."""

    NO = "no"
    SELECTION = "selection"
    BY_CALLER = "by_caller"
    AS_REMINDED = "as_reminded"


class GoesOut(StrEnum):
    """Whom a channel of the table is for."""

    ALWAYS = "always"
    IF_CHOSEN = "if_chosen"


@dataclass(frozen=True)
class ChannelRule:
    """One channel that a type goes out on. `role` is the table's; ranking may make another the primary."""

    channel: Channel
    role: Role
    content_type: ContentType
    goes_out: GoesOut = GoesOut.ALWAYS


@dataclass(frozen=True, eq=False)
class MessageTypeRule:
    """One row of the table; there is one of each. `channels` empty: the highest ranked open channel."""

    name: MessageType
    label: str
    description: str
    content_type: ContentType
    urgency: Urgency
    channels: tuple[ChannelRule, ...]
    stage: int | None = None
    purpose: Purpose = Purpose.SERVICE
    answer: Answer = Answer.NO
    capped: bool = False
    mergeable: bool = False
    # Whether it may be merged too when it is not low, for a client who wants such messages less often.
    mergeable_above_low: bool = False
    expires_after: timedelta = DEFAULT_EXPIRY
    ends_with_event: bool = True
    # What the message is about, by the names that the planner gives it: two requests with equal values here are the
    # same request. None: a type without fixed content, of which everything counts.
    content_names: frozenset[str] | None = None
    # False: made here, of messages that callers asked for.
    by_request: bool = True

    @property
    def staged(self) -> bool:
        """Staged types are sent once per plan for good; the others may come again."""
        return self.stage is not None

    def content_on(self, channel: Channel) -> ContentType:
        """What goes out on `channel`: the table's word; on a channel that the table does not name, everything
        by e-mail and only what is needed as a text message. An alert stays one."""
        for rule in self.channels:
            if rule.channel is channel:
                return rule.content_type
        if channel is Channel.EMAIL or self.content_type is ContentType.ALERT:
            return self.content_type
        return ContentType.SHORT


def _primary(channel: Channel, content_type: ContentType) -> ChannelRule:
    return ChannelRule(channel, Role.PRIMARY, content_type)


def _companion(
    channel: Channel, content_type: ContentType, goes_out: GoesOut = GoesOut.ALWAYS
) -> ChannelRule:
    return ChannelRule(channel, Role.COMPANION, content_type, goes_out)


_TABLE: Final = (
    MessageTypeRule(
        name=MessageType.WELCOME,
        content_names=frozenset({"next_steps", "estimated_timeline"}),
        label="Welcome",
        description="Greets the client, names the plan and says what happens next.",
        content_type=ContentType.DETAILED,
        stage=1,
        urgency=Urgency.NORMAL,
        channels=(_primary(Channel.EMAIL, ContentType.DETAILED),),
        capped=True,
    ),
    MessageTypeRule(
        name=MessageType.BUDGET_SUMMARY,
        content_names=frozenset({"budget_allocations", "budget_strategies", "currency"}),
        label="Budget options",
        description="Shows the budget strategies side by side.",
        content_type=ContentType.DETAILED,
        stage=2,
        urgency=Urgency.NORMAL,
        channels=(_primary(Channel.EMAIL, ContentType.DETAILED),),
        answer=Answer.BY_CALLER,
        capped=True,
    ),
    MessageTypeRule(
        name=MessageType.VENDOR_OPTIONS,
        content_names=frozenset({"vendor_combinations", "vendors", "currency"}),
        label="Vendor options",
        description="Compares the vendor combinations and asks the client to select one.",
        content_type=ContentType.DETAILED,
        stage=3,
        urgency=Urgency.HIGH,
        channels=(
            _primary(Channel.EMAIL, ContentType.DETAILED),
            _companion(Channel.WHATSAPP, ContentType.SHORT),
            _companion(Channel.SMS, ContentType.SHORT),
        ),
        answer=Answer.SELECTION,
        capped=True,
    ),
    MessageTypeRule(
        name=MessageType.SELECTION_CONFIRMATION,
        content_names=frozenset({"selected_combination", "currency"}),
        label="Selection confirmed",
        description="Confirms the chosen vendors and says what happens next.",
        content_type=ContentType.DETAILED,
        stage=4,
        urgency=Urgency.NORMAL,
        channels=(
            _primary(Channel.EMAIL, ContentType.DETAILED),
            _companion(Channel.SMS, ContentType.SHORT, GoesOut.IF_CHOSEN),
        ),
    ),
    MessageTypeRule(
        name=MessageType.BLUEPRINT_DELIVERY,
        content_names=frozenset({"final_blueprint", "blueprint_url"}),
        label="Event blueprint",
        description="Delivers the finished blueprint of the event as a PDF, with guidance.",
        content_type=ContentType.DETAILED,
        stage=5,
        urgency=Urgency.HIGH,
        channels=(
            _primary(Channel.EMAIL, ContentType.DETAILED),
            _companion(Channel.WHATSAPP, ContentType.SHORT),
        ),
    ),
    MessageTypeRule(
        name=MessageType.ERROR_NOTIFICATION,
        content_names=frozenset({"error_occurred", "error_message"}),
        label="Problem with the plan",
        description="Apologises for a problem in the planning, explains it and names whom to ask.",
        content_type=ContentType.ALERT,
        urgency=Urgency.CRITICAL,
        channels=(
            _primary(Channel.SMS, ContentType.ALERT),
            _companion(Channel.EMAIL, ContentType.DETAILED),
        ),
        expires_after=ERROR_EXPIRY,
        ends_with_event=False,
    ),
    MessageTypeRule(
        name=MessageType.REMINDER,
        label="Reminder",
        description="Reminds the client of a question that waits for an answer.",
        content_type=ContentType.SHORT,
        urgency=Urgency.NORMAL,
        channels=(_primary(Channel.EMAIL, ContentType.SHORT),),
        answer=Answer.AS_REMINDED,
        capped=True,
    ),
    MessageTypeRule(
        name=MessageType.TIMELINE_UPDATE,
        label="Timeline update",
        description="Tells what changed in the timeline of the event.",
        content_type=ContentType.SHORT,
        urgency=Urgency.LOW,
        channels=(),
        capped=True,
        mergeable=True,
        mergeable_above_low=True,
    ),
    MessageTypeRule(
        name=MessageType.TASK_UPDATE,
        label="Task update",
        description="Tells how a task of the plan is getting on.",
        content_type=ContentType.SHORT,
        urgency=Urgency.LOW,
        channels=(),
        capped=True,
        mergeable=True,
        mergeable_above_low=True,
    ),
    MessageTypeRule(
        name=MessageType.CUSTOM,
        content_names=frozenset({"subject", "message"}),
        label="Custom message",
        description="Says what the caller wrote; the caller decides on content and purpose.",
        content_type=ContentType.SHORT,
        urgency=Urgency.NORMAL,
        channels=(),
        answer=Answer.BY_CALLER,
        capped=True,
        mergeable=True,
        ends_with_event=False,
    ),
    MessageTypeRule(
        name=MessageType.DIGEST,
        label="Digest",
        description="Brings together messages that could wait for one another.",
        content_type=ContentType.SHORT,
        urgency=Urgency.LOW,
        channels=(),
        capped=True,
        ends_with_event=False,
        by_request=False,
    ),
)

MESSAGE_TYPES: Final[MappingProxyType[MessageType, MessageTypeRule]] = MappingProxyType(
    {rule.name: rule for rule in _TABLE}
)

REQUESTED_TYPES: Final[tuple[MessageType, ...]] = tuple(rule.name for rule in _TABLE if rule.by_request)
"""What callers may ask for."""
