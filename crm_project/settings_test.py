"""Settings for tests: the product's own, with few overrides. Services are real; `run.py test` starts them."""

from uuid import uuid4

from crm_project.settings import *  # noqa: F403 - a settings overlay is exactly this

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CRM_COMPANY_NAME = "Planiva Event Planning"
CRM_POSTAL_ADDRESS = "12 Rose Lane, Pune 411001, India"
CRM_SUPPORT_EMAIL = "support@planiva.example"
SMTP_FROM_EMAIL = "hello@planiva.example"
SMTP_USE_TLS = False
# Lets several test runs share one server.
DATABASES["default"]["TEST"] = {"NAME": env.str("CRM_TEST_DB", default="test_crm")}  # noqa: F405 - from the overlay
DATABASES["default"]["OPTIONS"].pop("pool", None)  # noqa: F405 - a pool keeps connections that hinder dropping the database
CRM_ALLOW_DEMO_CLOCK = True
CRM_SPOOL_NAME = f"test-{uuid4()}"  # several test runs share one server
