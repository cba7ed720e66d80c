"""How every task of ours meets an outage of the database."""

import threading
import time
from typing import Any

from celery.contrib.django.task import DjangoTask

from core.database import DATABASE_AWAY, is_away
from core.logs import get_logger

logger = get_logger("tasks")

_LOG_EVERY_SECONDS = 60.0


class SweepTask(DjangoTask):  # type: ignore[type-arg]  # not subscriptable when it runs
    """While the database is away it ends quietly, with a line a minute for each process: the next sweep does
    its work. What the database refuses for another reason is an error like any other."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            # Not Task.__call__: Celery has announced the request already.
            return self.run(*args, **kwargs)
        except DATABASE_AWAY as error:
            if not is_away():
                raise
            _complaint.make(self.name, error)
            return None


class _Complaint:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made_at: float | None = None

    def make(self, task: str, error: Exception) -> None:
        moment = time.monotonic()
        with self._lock:
            if self._made_at is not None and moment - self._made_at < _LOG_EVERY_SECONDS:
                return
            self._made_at = moment
        logger.warning("the database is away, the next sweep goes on", task=task, error=error)


_complaint = _Complaint()
