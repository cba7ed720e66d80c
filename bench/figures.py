"""What a benchmark comes to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measured value beside its limit. `ratio` = value / limit, `goal` is for the ratio: at least so much, or
    with `lower_is_better` at most. `extra` goes into the JSON beside these."""

    id: str
    value: float
    unit: str
    limit: float
    goal: float
    lower_is_better: bool = False
    also_ok: bool = True
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        return self.value / self.limit if self.limit else 0.0

    @property
    def ok(self) -> bool:
        reached = self.ratio <= self.goal if self.lower_is_better else self.ratio >= self.goal
        return bool(self.limit) and reached and self.also_ok

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "value": round(self.value, 3),
            "unit": self.unit,
            "limit": round(self.limit, 3),
            "ratio": round(self.ratio, 3),
            "goal": self.goal,
            "ok": self.ok,
            **self.extra,
        }


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of them do not pass (nearest rank); 0 for none."""
    if not values:
        return 0.0
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def median(values: Sequence[float]) -> float:
    return percentile(values, 0.5)
