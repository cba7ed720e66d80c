import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crm_project.settings")

application = get_wsgi_application()
# Everything that is imported lazily, before the first request has to wait for it.
get_resolver().url_patterns  # noqa: B018 - a cached property
# What is there now stays: the collector need not look through it again and again while requests make their objects.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 20)
