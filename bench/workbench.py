"""What a benchmark gets to work with."""

from dataclasses import dataclass
from pathlib import Path

from bench.children import SinkProcess
from bench.installation import Installation
from devstack.console import Progress


@dataclass(frozen=True)
class Size:
    """`given`: messages, or whatever a benchmark counts, instead of its default. `full`: as many as the goal names,
    however long it takes. `seed`: of the faults, to run the same schedule again."""

    given: int | None = None
    full: bool = False
    seed: int | None = None

    def messages(self, default: int, full: int | None = None) -> int:
        if self.given is not None:
            return self.given
        return full if self.full and full is not None else default


@dataclass(frozen=True)
class Bench:
    """`sink` is the installation's mail provider; `record` is where it writes down what it takes, if it does."""

    installation: Installation
    sink: SinkProcess
    record: Path
    size: Size
    progress: Progress
