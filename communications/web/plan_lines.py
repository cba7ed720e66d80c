"""The decision about a communication, as its page shows it: channels, times, and each reason with its rule."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from communications.choices import Role
from communications.rules.reasons import REASONS
from communications.rules.strategy import Strategy
from communications.selectors.detail import CommunicationDetail


@dataclass(frozen=True)
class DeliveryLine:
    """`beside`: a companion of the first."""

    channel: str
    at: datetime
    beside: bool


@dataclass(frozen=True)
class ReasonLine:
    """What it led to here, and what the rule says in general; empty for a rule that there is no more."""

    text: str
    code: str
    meaning: str


@dataclass(frozen=True)
class TodaysPlan:
    deliveries: Sequence[DeliveryLine]
    reasons: Sequence[ReasonLine]


@dataclass(frozen=True)
class PlanLines:
    """As it was decided when it was accepted; `anew`: why its time or channel was changed last; `today`: what would be
    decided now, None where nothing would come of it."""

    deliveries: Sequence[DeliveryLine]
    fallbacks: Sequence[str]
    reasons: Sequence[ReasonLine]
    anew: Sequence[ReasonLine]
    anew_at: datetime | None
    today: TodaysPlan | None


def plan_lines(detail: CommunicationDetail, today: Strategy | None) -> PlanLines:
    anew = detail.entry.row.metadata.get("planned_anew")
    return PlanLines(
        deliveries=[_delivery(each) for each in detail.strategy["deliveries"]],
        fallbacks=detail.strategy["fallbacks"],
        reasons=_reasons(detail.strategy["reasons"]),
        anew=_reasons(anew["reasons"]) if anew else (),
        anew_at=datetime.fromisoformat(anew["at"]) if anew else None,
        today=_todays(today) if today is not None else None,
    )


def _todays(strategy: Strategy) -> TodaysPlan:
    stored = strategy.as_json()
    return TodaysPlan([_delivery(each) for each in stored["deliveries"]], _reasons(stored["reasons"]))


def _delivery(stored: Mapping[str, Any]) -> DeliveryLine:
    at = datetime.fromisoformat(stored["send_at"])
    return DeliveryLine(stored["channel"], at, beside=stored["role"] == Role.COMPANION)


def _reasons(stored: Iterable[Mapping[str, str]]) -> list[ReasonLine]:
    return [ReasonLine(reason["text"], reason["code"], REASONS.get(reason["code"], "")) for reason in stored]
