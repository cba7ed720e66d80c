import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from core.errors import CrmError
from core.impersonal import looks_personal
from core.scopes import Scope
from core.service_accounts import create_account, rotate_secret

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ACTOR = "command:create_service_account"


class Command(BaseCommand):
    help = "Makes an account for a program that calls the API and prints its secret, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument(
            "--scope",
            dest="scopes",
            action="append",
            default=[],
            choices=[scope.value for scope in Scope],
            help="Once for each scope.",
        )
        parser.add_argument(
            "--rotate",
            action="store_true",
            help="Gives an account that exists a new secret; the old one and its refresh tokens end.",
        )

    def handle(self, *, name: str, scopes: list[str], rotate: bool, **_options: Any) -> None:
        if not _NAME.fullmatch(name) or looks_personal(f"service:{name}"):
            raise CommandError(
                "A name is up to 64 letters, digits, dots, dashes and underscores, and no number of a person."
            )
        if not scopes and not rotate:
            raise CommandError("Say what the account may do: --scope crm:read --scope crm:write")
        wanted = [Scope(scope) for scope in scopes]
        change = rotate_secret if rotate else create_account
        try:
            secret = change(name=name, scopes=wanted, actor=_ACTOR, now=timezone.now())
        except CrmError as error:
            hint = " (--rotate)" if not rotate else ""
            raise CommandError(f"{error.detail}{hint}") from error
        self.stdout.write(f"name    {name}\nsecret  {secret}\n\nKeep the secret now: it is not shown again.")
