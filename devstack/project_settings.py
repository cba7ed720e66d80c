"""The environment that the project's processes get: the caller's own, completed for development."""

import os
from collections.abc import Mapping

from devstack.secrets_file import development_secrets
from devstack.state import State
from sandbox.credentials import (
    TELNYX_API_KEY,
    TELNYX_PHONE_NUMBER,
    TWILIO_ACCOUNT_SID,
    TWILIO_AUTH_TOKEN,
    TWILIO_PHONE_NUMBER,
)

# They would change which Python, packages or settings a child uses.
NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "DJANGO_SETTINGS_MODULE", "__PYVENV_LAUNCHER__")


def inherited() -> dict[str, str]:
    """Our own environment without what would mislead a child."""
    return {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}


def service_settings(state: State, *, database_url: str, redis_url: str) -> dict[str, str]:
    """What every process of the project needs; whatever the caller has set wins."""
    defaults = {
        **development_secrets(state),
        "CRM_ENV": "development",
        "PYTHONUNBUFFERED": "1",
    }
    decided = {"CRM_STATE_DIR": str(state.root), "DATABASE_URL": database_url, "REDIS_URL": redis_url}
    return defaults | inherited() | decided


def stack_settings(base: Mapping[str, str], ports: Mapping[str, int]) -> dict[str, str]:
    """What the running product needs on top: its sender, and the sandbox in the place of a provider."""
    defaults = {
        "CRM_PUBLIC_URL": f"http://127.0.0.1:{ports['web']}",
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "CRM_ALLOW_DEMO_CLOCK": "true",
        "CRM_SUPPORT_EMAIL": "support@planiva.example",
        "CRM_POSTAL_ADDRESS": "12 Rose Lane, Pune 411001, India",
        "SMTP_FROM_EMAIL": "hello@planiva.example",
    }
    sandbox = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(ports["smtp"]), "SMTP_USE_TLS": "false"}
    texts = {
        "TWILIO_ACCOUNT_SID": TWILIO_ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": TWILIO_AUTH_TOKEN,
        "TWILIO_PHONE_NUMBER": TWILIO_PHONE_NUMBER,
        "TWILIO_API_BASE_URL": f"http://127.0.0.1:{ports['twilio']}",
        "TELNYX_API_KEY": TELNYX_API_KEY,
        "TELNYX_PHONE_NUMBER": TELNYX_PHONE_NUMBER,
        "TELNYX_API_BASE_URL": f"http://127.0.0.1:{ports['telnyx']}",
    }
    own_mail = any(base.get(name) for name in ("SMTP_HOST", "EMAIL_PROVIDER"))
    own_sms = any(base.get(name) for name in ("TWILIO_ACCOUNT_SID", "TWILIO_API_BASE_URL", "TELNYX_API_KEY"))
    return defaults | ({} if own_mail else sandbox) | ({} if own_sms else texts) | dict(base)
