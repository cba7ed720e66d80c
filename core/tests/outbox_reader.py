"""A consumer for tests, and waiting for it. Other databases on the same server may hold the outbox's horizon back for
a moment, so tests poll."""

from datetime import UTC, datetime

from django.db import transaction

from core import outbox
from core.tests.races import wait_until

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


class Reader:
    """A consumer that remembers what it got, and fails on subjects it is told to fail on."""

    def __init__(self, name: str, *topics: str) -> None:
        self.seen: list[str] = []
        self.batches: list[int] = []
        self.fails_on: set[str] = set()
        outbox.consumer(name, topics)(self.handle)

    def handle(self, events) -> None:
        if self.fails_on & {event.subject for event in events}:
            raise RuntimeError("wrote to asha@example.org")
        self.batches.append(len(events))
        self.seen += [event.subject for event in events]


def publish(*subjects: str, topic: str = "plan.changed") -> None:
    with transaction.atomic():
        outbox.publish_many([outbox.Publication(topic, subject) for subject in subjects])


def consume_until(reader: Reader, *subjects: str) -> None:
    def is_there() -> bool:
        outbox.consume_all(NOW)
        return len(reader.seen) >= len(subjects)

    wait_until(is_there)
    assert reader.seen == list(subjects)
