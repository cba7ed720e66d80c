"""Which pause holds a message: the kill switch as plain data (api.md, POST pause)."""

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from uuid import UUID

from communications.choices import MessageType, PauseScope
from communications.rules import reasons
from communications.rules.reasons import ReasonCode
from core.choices import Channel


@dataclass(frozen=True)
class OpenPause:
    """`value` is the channel, the plan's reference or the message type; empty for everything."""

    id: UUID
    scope: PauseScope
    value: str


REASON_OF: Final[MappingProxyType[PauseScope, ReasonCode]] = MappingProxyType(
    {
        PauseScope.EVERYTHING: reasons.EVERYTHING_PAUSED,
        PauseScope.CHANNEL: reasons.CHANNEL_PAUSED,
        PauseScope.PLAN: reasons.PLAN_PAUSED,
        PauseScope.MESSAGE_TYPE: reasons.TYPE_PAUSED,
    }
)

_WIDEST_FIRST: Final = tuple(PauseScope)


def holding(
    pauses: Iterable[OpenPause], *, channel: Channel, plan_reference: str, message_type: MessageType
) -> OpenPause | None:
    """The widest of the open pauses that hold this message, or None: it may go. Urgency plays no part."""
    stopped = {
        PauseScope.EVERYTHING: "",
        PauseScope.CHANNEL: channel.value,
        PauseScope.PLAN: plan_reference,
        PauseScope.MESSAGE_TYPE: message_type.value,
    }
    fitting = [pause for pause in pauses if pause.value == stopped[pause.scope]]
    return min(fitting, key=lambda pause: _WIDEST_FIRST.index(pause.scope), default=None)
