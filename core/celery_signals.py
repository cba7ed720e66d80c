"""What Celery's processes do beside running tasks: log through our formatter, and give signs of life."""

from typing import Any

from celery import signals

from core.heartbeat import start_heartbeat


def connect() -> None:
    """Called once, when the app is ready."""
    signals.setup_logging.connect(_keep_logging, dispatch_uid="core.keep_logging")
    signals.worker_ready.connect(_worker_ready, dispatch_uid="core.worker_heartbeat")
    signals.beat_init.connect(_beat_ready, dispatch_uid="core.scheduler_heartbeat")
    signals.beat_embedded_init.connect(_beat_ready, dispatch_uid="core.embedded_scheduler_heartbeat")


def _keep_logging(**_: Any) -> None:
    """A receiver of this signal makes Celery leave logging alone; Django has set ours up already."""


def _worker_ready(**_: Any) -> None:
    start_heartbeat("worker")


def _beat_ready(**_: Any) -> None:
    start_heartbeat("scheduler")
