from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from rest_framework.request import Request

from core.scopes import Scope


class CallerKind(StrEnum):
    """Interactive callers are people with a browser; their rates differ from those of programs."""

    SERVICE = "service"
    INTERACTIVE = "interactive"


@dataclass(frozen=True)
class Caller:
    """Who makes an API request. `reference` (service:NAME or staff:ID) goes into audit rows and logs. `permissions` are
    those of staff, as `app.codename`; programs have scopes alone."""

    reference: str
    kind: CallerKind
    scopes: frozenset[Scope]
    permissions: frozenset[str] = frozenset()
    is_authenticated: bool = True


def caller_of(request: Request) -> Caller | None:
    """Who our authentication found; DRF's types know Django's users only."""
    return cast(Caller | None, request.user)
