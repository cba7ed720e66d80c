"""Celery's settings, changed for the time of a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import current_app


@contextmanager
def configured(**settings: Any) -> Iterator[None]:
    conf = current_app.conf
    before = {name: conf[name] for name in settings}
    conf.update(settings)
    current_app.amqp.flush_routes()
    try:
        yield
    finally:
        conf.update(before)
        current_app.amqp.flush_routes()
