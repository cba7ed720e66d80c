"""All settings, read from the environment; `.env.example` lists every name.

Failing closed: in production (`CRM_ENV=production`, the default) a missing or weak secret, and everywhere a
setting that cannot hold, stops the start with a sentence that names it. `run.py` makes and keeps the secrets
of a development installation.
"""

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from clients.allow_list import allow_list
from communications.connectors.files.addresses import clamd_address, trusted_origins
from communications.rules.brand import parse_colour
from communications.rules.daily_cap import parse_limit
from communications.rules.policy import parse_contact_hours, parse_hours
from communications.rules.rate_limit import Rate as SendingRate
from core.api.rates import Rate
from core.logs import logging_config
from core.secrets_policy import require_secret, require_secret_list
from core.settings_policy import (
    alert_urls,
    checked,
    optional_secret,
    parse_currency,
    parse_locale,
    parse_logo,
    parse_region,
    parse_reply_address,
    public_url,
    require_sender,
    whole_seconds,
)
from crm_project.messaging_settings import *  # noqa: F403 - the part of the settings that is about phones
from preferences.rules.consent import parse_opt_in
from preferences.rules.windows import parse_zone

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

# -- Installation ------------------------------------------------------------------------------------------
CRM_ENV = env.str("CRM_ENV", default="production")
if CRM_ENV not in {"production", "development"}:
    raise ImproperlyConfigured(f"CRM_ENV is {CRM_ENV!r}; it must be 'production' or 'development'.")
DEVELOPMENT = CRM_ENV == "development"
DEBUG = False
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")

# Holds journals: outcomes of calls that the database has not yet confirmed. A persistent volume in production.
CRM_STATE_DIR = Path(env.str("CRM_STATE_DIR", default=str(BASE_DIR / ".state")))
CRM_PUBLIC_URL = public_url(env.str("CRM_PUBLIC_URL", default=""), production=not DEVELOPMENT)
CRM_COMPANY_NAME = env.str("CRM_COMPANY_NAME", default="Planiva Event Planning")
CRM_POSTAL_ADDRESS = env.str("CRM_POSTAL_ADDRESS", default="")
CRM_SUPPORT_EMAIL = env.str("CRM_SUPPORT_EMAIL", default="")
CRM_DEFAULT_TIMEZONE = checked(
    "CRM_DEFAULT_TIMEZONE", env.str("CRM_DEFAULT_TIMEZONE", default="UTC"), parse_zone
)
CRM_DEFAULT_REGION = checked("CRM_DEFAULT_REGION", env.str("CRM_DEFAULT_REGION", default="IN"), parse_region)
CRM_DEFAULT_CURRENCY = checked(
    "CRM_DEFAULT_CURRENCY", env.str("CRM_DEFAULT_CURRENCY", default="INR"), parse_currency
)
# How messages look and write: dates and amounts, the accent of the mails, a small picture instead of the name.
CRM_LOCALE = checked("CRM_LOCALE", env.str("CRM_LOCALE", default="en_IN"), parse_locale)
CRM_ACCENT_COLOUR = checked(
    "CRM_ACCENT_COLOUR", env.str("CRM_ACCENT_COLOUR", default="#0f6863"), parse_colour
)
CRM_LOGO = checked("CRM_LOGO", env.str("CRM_LOGO", default=""), parse_logo)
# Services that administrators are alerted by, as apprise writes them. Empty: they look at Today.
ADMIN_ALERT_URLS = alert_urls(env.str("ADMIN_ALERT_URLS", default=""))
CRM_ACCESS_TOKEN_MINUTES = env.int("CRM_ACCESS_TOKEN_MINUTES", default=30)
# How long a claimed message stays its worker's without a renewal.
CRM_LEASE = whole_seconds("CRM_LEASE_SECONDS", env.str("CRM_LEASE_SECONDS", default="120"))
# The demo's clock: an offset in the database that due times and windows follow. Never in production.
CRM_ALLOW_DEMO_CLOCK = DEVELOPMENT and env.bool("CRM_ALLOW_DEMO_CLOCK", default=False)

# -- Secrets -----------------------------------------------------------------------------------------------
SECRET_KEY = require_secret(env, "SECRET_KEY", minimum_length=40)
# Comma-separated Fernet keys: the first encrypts, all decrypt. Read by django-encrypted-model-fields too.
FIELD_ENCRYPTION_KEY = require_secret(env, "FIELD_ENCRYPTION_KEY", minimum_length=44).split(",")
# Never rotates: suppression and search by exact address depend on it.
BLIND_INDEX_KEY = require_secret(env, "BLIND_INDEX_KEY", minimum_length=40)
# Comma-separated: the first signs links for clients, all are accepted. Links to unsubscribe never expire.
LINK_SIGNING_KEYS = require_secret_list(env, "LINK_SIGNING_KEYS", minimum_length=40)

# -- Services ----------------------------------------------------------------------------------------------
DATABASES = {"default": env.db_url("DATABASE_URL", default="postgres://crm@/crm?host=/var/run/postgresql")}
DATABASES["default"]["OPTIONS"] = {
    **DATABASES["default"].get("OPTIONS", {}),
    # A short wait: a database that is down must cost seconds, not half a minute, per request.
    # And short tries to reconnect: the pool's own pauses double, up to minutes after the database is back.
    "pool": {
        "min_size": 1,
        "max_size": env.int("CRM_DATABASE_POOL_SIZE", default=8),
        "timeout": 2.0,
        "reconnect_timeout": 2.0,
    },
}
# It checks connections before they are used, unless they were a moment ago.
DATABASES["default"]["ENGINE"] = "core.postgresql"

REDIS_URL = env.str("REDIS_URL", default="redis://localhost:6379/0")
BROKER_URL = env.str("BROKER_URL", default=REDIS_URL)
# Where the spool is kept in the broker's server.
CRM_SPOOL_NAME = "crm:spool"
CACHE_URL = env.str("CACHE_URL", default=REDIS_URL)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        # Celery says redis+socket:///path, redis-py says unix:///path: one value serves both.
        "LOCATION": CACHE_URL.replace("redis+socket://", "unix://"),
        "KEY_PREFIX": "crm",
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}

# -- Who may be written to --------------------------------------------------------------------------------
CRM_RECIPIENT_ALLOW_LIST = checked(
    "CRM_RECIPIENT_ALLOW_LIST",
    env.str("CRM_RECIPIENT_ALLOW_LIST", default=""),
    partial(allow_list, region=CRM_DEFAULT_REGION),
)
# When normal and low messages go out, and at what time those that can wait, in the client's day.
CRM_CONTACT_HOURS = checked(
    "CRM_CONTACT_HOURS", env.str("CRM_CONTACT_HOURS", default="09:00-21:00"), parse_contact_hours
)
CRM_DIGEST_SLOT = checked(
    "CRM_DIGEST_SLOT", env.str("CRM_DIGEST_SLOT", default="10:00"), partial(parse_hours, CRM_CONTACT_HOURS)
)
# Capped messages that a client gets in a local day; empty: as many as there are.
CRM_DAILY_CAP = checked("CRM_DAILY_CAP", env.str("CRM_DAILY_CAP", default="3"), parse_limit)

# What opens WhatsApp for service messages: explicit (a grant), or contact_data (a phone number does, as for SMS).
CRM_WHATSAPP_OPT_IN = checked(
    "CRM_WHATSAPP_OPT_IN", env.str("CRM_WHATSAPP_OPT_IN", default="explicit"), parse_opt_in
)

# -- E-mail provider ---------------------------------------------------------------------------------------
SMTP_HOST = env.str("SMTP_HOST", default="")
SMTP_PORT = env.int("SMTP_PORT", default=587)
SMTP_USERNAME = env.str("SMTP_USERNAME", default="")
SMTP_PASSWORD = env.str("SMTP_PASSWORD", default="")
SMTP_FROM_EMAIL = env.str("SMTP_FROM_EMAIL", default="")
SMTP_FROM_NAME = env.str("SMTP_FROM_NAME", default=CRM_COMPANY_NAME)
SMTP_USE_TLS = env.bool("SMTP_USE_TLS", default=True)
# Messages a second that all workers together may hand over; empty: as fast as the server takes them.
SMTP_MAX_PER_SECOND = checked(
    "SMTP_MAX_PER_SECOND", env.str("SMTP_MAX_PER_SECOND", default=""), SendingRate.parse
)
require_sender(host=SMTP_HOST, from_email=SMTP_FROM_EMAIL)
# Where answers go, with a token that names the message. Empty: to the sender.
CRM_REPLY_ADDRESS = checked(
    "CRM_REPLY_ADDRESS", env.str("CRM_REPLY_ADDRESS", default=""), parse_reply_address
)
# Mails that come to us: posted raw by who shows this word, or read from a mailbox over TLS.
INBOUND_MAIL_SECRET = optional_secret(env.str("INBOUND_MAIL_SECRET", default=""), "INBOUND_MAIL_SECRET")
IMAP_HOST, IMAP_PORT = env.str("IMAP_HOST", default=""), env.int("IMAP_PORT", default=993)
IMAP_USERNAME, IMAP_PASSWORD = env.str("IMAP_USERNAME", default=""), env.str("IMAP_PASSWORD", default="")
IMAP_FOLDER = env.str("IMAP_FOLDER", default="INBOX")

# While the cache is away each worker process takes one part of so many of every rate limit.
CRM_WORKERS_SHARE = env.int("CRM_WORKERS_SHARE", default=4)
if CRM_WORKERS_SHARE < 1:
    raise ImproperlyConfigured(f"CRM_WORKERS_SHARE is {CRM_WORKERS_SHARE}; write how many workers there are.")

# -- Attachments -------------------------------------------------------------------------------------------
# Where files may be fetched from though it is a private address or speaks plain http.
CRM_ATTACHMENT_TRUSTED_ORIGINS = checked(
    "CRM_ATTACHMENT_TRUSTED_ORIGINS",
    env.str("CRM_ATTACHMENT_TRUSTED_ORIGINS", default=""),
    trusted_origins,
)
# Where clamd listens. Empty: files are not scanned.
CRM_CLAMD = checked("CRM_CLAMD", env.str("CRM_CLAMD", default=""), clamd_address)

# -- Django ------------------------------------------------------------------------------------------------
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=[CRM_PUBLIC_URL.split("//")[-1].split("/")[0].split(":")[0]]
)
CSRF_TRUSTED_ORIGINS = [CRM_PUBLIC_URL]
ROOT_URLCONF = "crm_project.urls"
WSGI_APPLICATION = "crm_project.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
APPEND_SLASH = False
INSTALLED_APPS = [
    "crm_project.apps.CrmAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "csp",
    "django_htmx",
    "pgtrigger",
    "pghistory",
    "core",
    "clients",
    "preferences",
    "communications",
    "analytics",
    # Last: the roles give permissions of all the others.
    "backoffice",
]
MIDDLEWARE = [
    "core.middleware.RequestLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "core.middleware.OptionalTrailingSlashMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "backoffice.middleware.StaffPagesMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "backoffice.web.next_up.frame",
                "backoffice.web.standstill.standstill",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = LOGOUT_REDIRECT_URL = "backoffice:login"
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = DEVELOPMENT
LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logging_config(LOG_LEVEL)

# -- Security ----------------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("CRM_BEHIND_PROXY", default=False) else None
)
_HTTPS = CRM_PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = _HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
# Binding every other host below this name, and the browsers' own lists, is for the owner of the domain to decide.
_HSTS_SUBDOMAINS = env.bool("CRM_HSTS_SUBDOMAINS", default=False)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _HTTPS and _HSTS_SUBDOMAINS
SILENCED_SYSTEM_CHECKS = [] if _HSTS_SUBDOMAINS else ["security.W005", "security.W021"]
# The health endpoints answer a load balancer that speaks plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^api/crm/health"]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 3600  # a working day, from signing in
# Bodies are bounded per endpoint by core.api.parsers (413); this is the outer wall for forms.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576

# -- API ---------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "core.api.authentication.ServiceTokenAuthentication",
        "core.api.authentication.StaffSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["core.api.permissions.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["core.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_THROTTLE_CLASSES": ["core.api.throttles.CallerThrottle"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "core.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
CRM_THROTTLE_RATES: dict[str, Any] = {
    "interactive": {
        "send": checked("CRM_SEND_RATE", env.str("CRM_SEND_RATE", "60/min"), Rate.parse),
        "read": checked("CRM_READ_RATE", env.str("CRM_READ_RATE", "300/min"), Rate.parse),
    },
    "service": {
        "send": checked("CRM_SERVICE_SEND_RATE", env.str("CRM_SERVICE_SEND_RATE", "6000/min"), Rate.parse),
        "read": checked("CRM_SERVICE_READ_RATE", env.str("CRM_SERVICE_READ_RATE", "6000/min"), Rate.parse),
    },
    # Sign-in attempts, to the API and the admin, counted by network address.
    "token": checked("CRM_TOKEN_RATE", env.str("CRM_TOKEN_RATE", "30/min"), Rate.parse),
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=CRM_ACCESS_TOKEN_MINUTES),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    "ALGORITHM": "HS256",
    "SIGNING_KEY": SECRET_KEY,
    "USER_ID_CLAIM": "sub",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "CRM communication engine",
    "DESCRIPTION": "Tell clients things, ask them things, and follow what became of it.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": [],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": r"/api/crm",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    # Names for the enums that several fields share, or that share a field's name.
    "ENUM_NAME_OVERRIDES": {
        "ChannelEnum": "core.choices.Channel",
        "StatusEnum": "communications.choices.Status",
        "RequestStatusEnum": "communications.api.answers.REQUEST_STATUSES",
        "AttemptStatusEnum": "communications.choices.AttemptStatus",
        "ComponentStatusEnum": "core.health.HealthStatus",
        "FrequencyEnum": "preferences.choices.Frequency",
        "OriginEnum": "preferences.api.answers.ORIGINS",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# -- Celery: wakes, never carries a schedule or data --------------------------------------------------------
CELERY_BROKER_URL = BROKER_URL
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "unrouted"  # nothing listens: a guard test demands a route for every task
CELERY_TASK_ROUTES = {
    "core.*": {"queue": "housekeeping"},
    "communications.dispatch_due": {"queue": "dispatch"},
    "communications.*": {"queue": "housekeeping"},
    "celery.*": {"queue": "housekeeping"},
}
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Workers send without the broker (communications.worker), so they wait for it as long as it takes.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BEAT_SCHEDULER = "core.beat:SteadyScheduler"
CELERY_TIMEZONE = "UTC"
# A sweep that could not start in time is pointless: the next one does the same work.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "sweep-due": {"task": "communications.dispatch_due", "schedule": 5.0, "options": {"expires": 5}},
    "reconcile": {"task": "communications.reconcile", "schedule": 5.0, "options": {"expires": 5}},
    "process-receipts": {
        "task": "communications.process_receipts",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "read-mailbox": {"task": "communications.read_mailbox", "schedule": 60.0, "options": {"expires": 60}},
    "forget-receipts": {"task": "communications.purge_receipts", "schedule": 3600.0},
    "forget-idempotency-keys": {"task": "communications.purge_idempotency_keys", "schedule": 3600.0},
    "drain-spool": {"task": "core.drain_spool", "schedule": 5.0, "options": {"expires": 5}},
    "forget-spooled": {"task": "core.forget_spooled", "schedule": 3600.0},
    "release-digests": {"task": "communications.release_digests", "schedule": 5.0, "options": {"expires": 5}},
    "release-waiting": {"task": "communications.release_waiting", "schedule": 5.0, "options": {"expires": 5}},
    # The first of a kind rings; this tells of those that came after it, and tries again.
    "alerts": {"task": "core.send_alerts", "schedule": 60.0, "options": {"expires": 60}},
    "outbox": {"task": "core.consume_outbox", "schedule": 5.0, "options": {"expires": 5}},
}
