"""Accounts of staff. Who may keep them may give roles, but no more than roles, and not touch who stands above roles."""

from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Q
from django.http import HttpRequest

from backoffice.roles import ROLES

if TYPE_CHECKING:
    _UserAdmin = UserAdmin[User]
else:
    _UserAdmin = UserAdmin

_FOR_SUPERUSERS: Final = ("is_superuser", "user_permissions")

admin.site.unregister(User)


@admin.register(User)
class StaffAdmin(_UserAdmin):
    list_display = (
        "username",
        "first_name",
        "last_name",
        "is_active",
        "is_staff",
        "is_superuser",
        "last_login",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if _is_superuser(request) else (*fields, *_FOR_SUPERUSERS)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **options)
        if not _is_superuser(request) and "groups" in form.base_fields:
            # Groups that a superuser made may hold more than any role: they can be kept, not given.
            held = Q(user=obj) if obj else Q()
            choices = Group.objects.filter(Q(name__in=ROLES) | held).distinct().order_by("name")
            form.base_fields["groups"].queryset = choices
        return form

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Also asked before a password is set: with a superuser's, one could sign in as them."""
        above = obj is not None and obj.is_superuser and not _is_superuser(request)
        return not above and super().has_change_permission(request, obj)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_superuser)
