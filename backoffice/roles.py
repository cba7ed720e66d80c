"""What each role may do. Roles are Django groups, so that pages, admin and API ask the same permissions.

The groups of these names belong to this table: every migration writes them anew. Other groups are left alone.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from django.apps import apps as installed

_SEE_HISTORY: Final = frozenset(
    {
        "clients.view_client",
        "clients.view_contactpoint",
        "clients.view_plan",
        "preferences.view_clientpreferences",
        "preferences.view_consententry",
        "communications.view_communication",
        "communications.view_communicationrequest",
        "communications.view_attachment",
        "communications.view_requestattachment",
        "communications.view_deliveryattempt",
        "core.view_attentionitem",
    }
)
_SEE_CONTENTS: Final = frozenset({"communications.view_content"})
_SEE_TEMPLATES: Final = frozenset({"communications.view_template", "communications.view_templateversion"})
_SEE_PAUSES: Final = frozenset({"communications.view_pause"})
_PAUSE: Final = frozenset({"communications.add_pause", "communications.change_pause"})
_REVEAL: Final = frozenset({"clients.reveal_contact"})
_REVEAL_WITH_REASON: Final = frozenset({"clients.reveal_contact_with_reason"})
_SEND: Final = frozenset({"communications.add_communicationrequest", "core.change_attentionitem"})
_SET_PREFERENCES: Final = frozenset({"preferences.change_clientpreferences"})
_SEE_SUPPRESSIONS: Final = frozenset({"preferences.view_suppression"})
_SUPPRESS: Final = frozenset(
    {"preferences.add_suppression", "preferences.change_suppression", "preferences.export_suppression"}
)
_SEE_AUDIT: Final = frozenset({"core.view_auditentry"})
_PEOPLE_AND_PROVIDERS: Final = frozenset(
    {
        "auth.view_user",
        "auth.add_user",
        "auth.change_user",
        "auth.view_group",
        "core.view_adminalert",
        "core.view_datakey",
        "communications.view_sendinggate",
        "core.view_heartbeat",
        "core.view_outboxcursor",
        "core.view_outboxevent",
        "core.view_serviceaccount",
        "core.change_serviceaccount",
    }
)

_DAILY_WORK: Final = _SEE_HISTORY | _SEE_CONTENTS | _SEE_TEMPLATES | _REVEAL | _SEND | _SET_PREFERENCES
_SWITCHES: Final = _SEE_PAUSES | _PAUSE | _SEE_SUPPRESSIONS | _SUPPRESS

ROLES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "administrator": _DAILY_WORK | _SWITCHES | _SEE_AUDIT | _PEOPLE_AND_PROVIDERS,
        "manager": _DAILY_WORK | _SWITCHES,
        "agent": _DAILY_WORK,
        "analyst": _SEE_HISTORY | _SEE_TEMPLATES,
        "auditor": (
            _SEE_HISTORY
            | _SEE_CONTENTS
            | _SEE_TEMPLATES
            | _SEE_PAUSES
            | _SEE_SUPPRESSIONS
            | _REVEAL_WITH_REASON
            | _SEE_AUDIT
        ),
    }
)


def write_roles(*, using: str, apps: Any = installed, **_signal: Any) -> None:
    """Receiver of post_migrate: makes the groups and gives them exactly the permissions of the table.

    Safe to repeat; `flush` sends the signal without `apps`. While only a part of the migrations has run, it
    gives the permissions that there are.
    """
    try:
        group_model = apps.get_model("auth", "Group")
        permission_model = apps.get_model("auth", "Permission")
    except LookupError:
        return
    known = {
        f"{app}.{codename}": key
        for key, app, codename in permission_model.objects.using(using).values_list(
            "id", "content_type__app_label", "codename"
        )
    }
    for name, permissions in ROLES.items():
        group, _ = group_model.objects.using(using).get_or_create(name=name)
        group.permissions.set([known[each] for each in sorted(permissions) if each in known])
