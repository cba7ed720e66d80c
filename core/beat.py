"""Celery's scheduler, made to outlive the database: the one of django-celery-beat ends with an error when its
schedule cannot be read, which it reads anew every five minutes."""

from typing import Any

from django.db import DatabaseError, InterfaceError, close_old_connections
from django_celery_beat.schedulers import DatabaseScheduler

from core.logs import get_logger

logger = get_logger("scheduler")


class SteadyScheduler(DatabaseScheduler):  # type: ignore[misc]  # without types
    """While the database is away, the schedule that was read last goes on."""

    _away = False

    def schedule_changed(self) -> bool:
        """One line when the outage begins and one when it is over, instead of an exception for each tick."""
        close_old_connections()
        try:
            self.Changes.last_change()
        except (DatabaseError, InterfaceError) as error:
            if not self._away:
                logger.warning("schedule not read, the database is away", error=error)
            self._away = True
            return False
        if self._away:
            logger.info("schedule read again")
        self._away = False
        changed: bool = super().schedule_changed()
        return changed

    def sync(self) -> None:
        if not self._away:
            super().sync()

    def all_as_schedule(self) -> dict[str, Any]:
        try:
            entries: dict[str, Any] = super().all_as_schedule()
        except (DatabaseError, InterfaceError):
            if self._schedule is None:
                raise
            return dict(self._schedule)
        return entries
