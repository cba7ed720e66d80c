"""The two lanes of a worker process: one for everything, one that bulk can never fill.

The express lane serves critical and high messages alone. It has threads of its own and a part of each connector's
concurrency, so a worker in the middle of a long batch of slow calls still sends what is urgent at once.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from communications.choices import Urgency
from communications.connectors.base import Connector
from communications.rules.message_types import PRIORITIES, priority_of
from communications.rules.shares import LARGEST_CLAIM, SMALLEST_CLAIM

_URGENT: Final = tuple(sorted(priority_of(urgency) for urgency in (Urgency.CRITICAL, Urgency.HIGH)))
_EXPRESS_PART: Final = 4
"""Of four calls that a connector takes at once one is the express lane's."""


class Lane:
    """What a run of dispatch claims and how many calls it may make at once. One run per process at a time."""

    def __init__(self, *, priorities: Sequence[int], largest_claim: int, is_express: bool) -> None:
        self.priorities = tuple(priorities)
        self.largest_claim = largest_claim
        self.is_express = is_express
        self._running = threading.Lock()
        self._asked = threading.Event()
        self._threads: dict[tuple[str, int], ThreadPoolExecutor] = {}

    def ask(self) -> None:
        """Say that there may be work. If a run is under way in this process it looks again before it ends."""
        self._asked.set()

    def begin(self) -> bool:
        """True: somebody asked and nobody is at it, so the run is ours until `end`."""
        if not self._asked.is_set() or not self._running.acquire(blocking=False):
            return False
        self._asked.clear()
        return True

    def end(self) -> None:
        self._running.release()

    def calls_at_once(self, connector: Connector) -> int:
        """This lane's part of the connector's concurrency; both lanes together keep to it."""
        express = max(1, connector.concurrency // _EXPRESS_PART)
        return express if self.is_express else max(1, connector.concurrency - express)

    def threads(self, connector: Connector) -> ThreadPoolExecutor:
        """Threads for its calls, kept; used by the one run that is under way."""
        size = self.calls_at_once(connector)
        key = (connector.name, size)
        if key not in self._threads:
            self._threads[key] = ThreadPoolExecutor(size, thread_name_prefix=f"call-{connector.name}")
        return self._threads[key]


def bulk_lane() -> Lane:
    return Lane(priorities=PRIORITIES, largest_claim=LARGEST_CLAIM, is_express=False)


def express_lane() -> Lane:
    return Lane(priorities=_URGENT, largest_claim=SMALLEST_CLAIM, is_express=True)


BULK: Final = bulk_lane()
EXPRESS: Final = express_lane()
"""This process's own two."""
