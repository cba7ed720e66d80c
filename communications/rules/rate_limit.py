"""Token buckets as plain arithmetic, in whole microseconds, so that the cache's script reckons the same.

A bucket is one number: the instant at which it is full again (GCRA, the generic cell rate algorithm of ATM). It holds
`burst` tokens; each one taken moves that instant on by `interval_us`.
"""

from dataclasses import dataclass
from typing import Final

SECOND_US: Final = 1_000_000
_MOST: Final = 100_000.0
_LEAST: Final = 0.001


@dataclass(frozen=True)
class Rate:
    """One token every `interval_us`; up to `burst` at once after a rest."""

    interval_us: int
    burst: int

    @classmethod
    def parse(cls, text: str) -> "Rate | None":
        """From messages a second, as `10` or `0.5`; what a second holds may go at once. None for an empty text: no
        limit. Raises ValueError with a sentence."""
        if not text.strip():
            return None
        try:
            per_second = float(text)
        except ValueError:
            per_second = 0.0
        if not _LEAST <= per_second <= _MOST:  # false for NaN too
            raise ValueError(
                f"{text!r} is no number of messages a second. Write one from {_LEAST:g} to {_MOST:,.0f}, "
                "as 10 or 0.5, or leave it empty for no limit."
            )
        return cls(interval_us=round(SECOND_US / per_second), burst=max(1, int(per_second)))

    @property
    def per_second(self) -> float:
        return SECOND_US / self.interval_us

    def share(self, workers: int) -> "Rate":
        """What one of so many workers may use while they cannot count together."""
        return Rate(interval_us=self.interval_us * workers, burst=max(1, self.burst // workers))


@dataclass(frozen=True)
class Taken:
    """`full_at_us`: the bucket afterwards. `next_at_us`: when it holds a token again."""

    granted: int
    full_at_us: int
    next_at_us: int


def take(full_at_us: int, rate: Rate, *, wanted: int, now_us: int) -> Taken:
    """Up to `wanted` tokens. A bucket that was never used is full at 0. A clock that was set back costs at most one
    empty bucket."""
    room = rate.interval_us * rate.burst
    full_at = min(max(full_at_us, now_us), now_us + room)
    granted = min(wanted, (now_us + room - full_at) // rate.interval_us)
    full_at += granted * rate.interval_us
    return Taken(granted, full_at, full_at + rate.interval_us - room)
