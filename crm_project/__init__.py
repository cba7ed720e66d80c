"""Wiring only: settings, URLs, Celery, WSGI/ASGI."""

from crm_project.celery import app as celery_app

__all__ = ["celery_app"]
