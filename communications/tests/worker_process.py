"""What a process outside the test needs to work on the test's database and send to the test's catcher."""

import os
from pathlib import Path

from django.conf import settings
from django.db import connection

from sandbox.testing import Sandbox


def worker_environment(smtp: Sandbox, state: Path) -> dict[str, str]:
    database = connection.settings_dict
    host = database["HOST"] or database["OPTIONS"]["host"]
    login = f"{database['USER']}:{database['PASSWORD']}" if database["PASSWORD"] else database["USER"]
    url = f"postgres://{login}@/{database['NAME']}?host={host}"
    if database["PORT"]:
        url += f"&port={database['PORT']}"
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "crm_project.settings",
        "DATABASE_URL": url,
        "CRM_STATE_DIR": str(state),
        "SMTP_HOST": smtp.smtp_host,
        "SMTP_PORT": str(smtp.smtp_port),
        "SMTP_USE_TLS": "false",
        "SMTP_FROM_EMAIL": settings.SMTP_FROM_EMAIL,
    }
