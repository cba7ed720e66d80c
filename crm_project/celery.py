"""The Celery application. The database is the queue; Celery rings bells and runs loops."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crm_project.settings")

app = Celery("crm", task_cls="core.celery_tasks:SweepTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
