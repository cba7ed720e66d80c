import json
import os
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from core.scopes import Scope
from core.service_accounts import ensure_development_account
from core.service_tokens import Claims, issue_access_token

_USERNAME = "staff"
_ACCOUNT = "planning-agent"
# A demo that somebody watches all day must not lose its token; never issued outside development.
_TOKEN_LIFETIME = timedelta(hours=24)


class Command(BaseCommand):
    help = "Development only: a staff user and a service account, ready to use. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print one JSON object.")

    def handle(self, *, as_json: bool, **_options: Any) -> None:
        if not settings.DEVELOPMENT:
            raise CommandError("This works only with CRM_ENV=development. Use createsuperuser in production.")
        password = os.environ.get("CRM_DEV_STAFF_PASSWORD", "")
        if not password:
            raise CommandError("Set CRM_DEV_STAFF_PASSWORD to the password that the staff user shall have.")
        _ensure_staff_user(password)
        ensure_development_account(name=_ACCOUNT, actor="command:bootstrap_development", now=timezone.now())
        token = issue_access_token(
            Claims(account_name=_ACCOUNT, scopes=frozenset(Scope)), lifetime=_TOKEN_LIFETIME
        )
        ready = {"username": _USERNAME, "password": password, "token": token}
        if as_json:
            self.stdout.write(json.dumps(ready))
        else:
            self.stdout.write("\n".join(f"{key:<9} {value}" for key, value in ready.items()))


def _ensure_staff_user(password: str) -> None:
    users = get_user_model().objects
    user = users.filter(username=_USERNAME).first() or users.create_superuser(_USERNAME, password=password)
    if not (user.is_active and user.is_staff and user.is_superuser and user.check_password(password)):
        user.is_active = user.is_staff = user.is_superuser = True
        user.set_password(password)
        user.save()
