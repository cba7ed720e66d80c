"""What the search field can do beside searching: plain data, and which of it somebody may mean."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Command:
    """`page` is the name of an address, `query` what follows it; `permission` who may. `keywords` are other words
    that people look for it by."""

    label: str
    icon: str
    page: str
    query: str = ""
    permission: str = ""
    keywords: str = ""


SIGN_OUT: Final = Command("Sign out", "sign_out", "backoffice:logout", keywords="log leave end")

_SEE_ATTENTION: Final = "core.view_attentionitem"
_SEE_MESSAGES: Final = "communications.view_communication"

COMMANDS: Final = (
    Command(
        "Today", "today", "backoffice:today", permission=_SEE_ATTENTION, keywords="start home open attention"
    ),
    Command(
        "What was done",
        "delivered",
        "backoffice:today",
        "show=resolved",
        _SEE_ATTENTION,
        "undo resolved today",
    ),
    Command("Clients", "clients", "backoffice:clients", permission="clients.view_client", keywords="people"),
    Command("History", "history", "communications:history", permission=_SEE_MESSAGES, keywords="messages"),
    Command(
        "Messages that failed", "failed", "communications:history", "status=failed", _SEE_MESSAGES, "history"
    ),
    Command(
        "Messages in doubt",
        "in_doubt",
        "communications:history",
        "status=in_doubt",
        _SEE_MESSAGES,
        "history unknown",
    ),
    Command(
        "Messages that wait for their time",
        "scheduled",
        "communications:history",
        "status=scheduled",
        _SEE_MESSAGES,
        "history scheduled next going out",
    ),
    Command(
        "Providers",
        "providers",
        "backoffice:providers",
        permission="communications.view_pause",
        keywords="pause stop resume channels circuits",
    ),
    Command(
        "Preferences",
        "clients",
        "backoffice:find_preferences",
        permission="preferences.view_clientpreferences",
        keywords="consent channels quiet hours opt out",
    ),
    Command(
        "Suppressions",
        "cancelled",
        "backoffice:suppressions",
        permission="preferences.view_suppression",
        keywords="opted out blocked addresses import export list",
    ),
    Command("Records", "records", "admin:index", keywords="admin tables"),
    SIGN_OUT,
)


def commands_for(text: str, permissions: Collection[str]) -> list[Command]:
    """Those that its holder may use and that have a word beginning with each word of `text`; none typed: all."""
    typed = text.casefold().split()
    allowed = [each for each in COMMANDS if not each.permission or each.permission in permissions]
    return [each for each in allowed if all(_has_word(each, start) for start in typed)]


def _has_word(command: Command, start: str) -> bool:
    return any(word.startswith(start) for word in f"{command.label} {command.keywords}".casefold().split())
