"""Settings of a project that sends with django-post_office and nothing else, as its documentation shows."""

import os

import environ

SECRET_KEY = "only-for-measuring"
DATABASES = {"default": environ.Env().db_url("BENCH_DATABASE_URL")}
DATABASES["default"]["CONN_MAX_AGE"] = None
INSTALLED_APPS = ["django.contrib.contenttypes", "post_office"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
EMAIL_BACKEND = "post_office.EmailBackend"
EMAIL_HOST = "127.0.0.1"
EMAIL_PORT = int(os.environ["SMTP_PORT"])
POST_OFFICE = {"BATCH_SIZE": 1000, "THREADS_PER_PROCESS": 5}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
