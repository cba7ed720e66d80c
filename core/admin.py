"""Looking at core's rows. Nothing can be changed here but an attention item, and that through its service."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from core import attention
from core.errors import CrmError
from core.models import (
    AdminAlert,
    AttentionItem,
    AuditEntry,
    ClockOffset,
    DataKey,
    Heartbeat,
    OutboxCursor,
    OutboxEvent,
    ServiceAccount,
    SpooledEntry,
)
from core.service_accounts import revoke_accounts

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin


class ReadOnlyAdmin(_ModelAdmin):
    """Shows every field but `hidden`, changes none."""

    hidden: tuple[str, ...] = ()
    list_per_page = 50
    # An exact count of a table with millions of rows is not worth the wait.
    show_full_result_count = False

    def get_fields(self, _request: HttpRequest, _obj: models.Model | None = None) -> list[Any]:
        return [field.name for field in self.opts.fields if field.name not in self.hidden]

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[Any]:
        return self.get_fields(request, obj)

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: models.Model | None = None) -> bool:
        return False


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("occurred_at", "actor", "action", "target")
    search_fields = ("=target",)
    list_filter = ("action",)


@admin.register(AttentionItem)
class AttentionItemAdmin(ReadOnlyAdmin):
    list_display = ("last_seen_at", "kind", "target", "occurrences", "resolved_at", "resolved_by")
    list_filter = ("kind", ("resolved_at", admin.EmptyFieldListFilter))
    actions = ("resolve_selected",)

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core.change_attentionitem")

    @admin.action(description="Mark as resolved", permissions=["resolve"])
    def resolve_selected(self, request: HttpRequest, items: QuerySet[AttentionItem]) -> None:
        resolved = 0
        for item_id in items.order_by("id").values_list("id", flat=True):
            try:
                attention.resolve(item_id=item_id, actor=f"staff:{request.user.pk}", now=timezone.now())
            except CrmError as error:
                self.message_user(request, error.detail, messages.WARNING)
            else:
                resolved += 1
        self.message_user(request, f"{resolved} resolved.", messages.SUCCESS)


@admin.register(AdminAlert)
class AdminAlertAdmin(ReadOnlyAdmin):
    list_display = ("kind", "sent_at", "failures", "failed_at")


@admin.register(OutboxEvent)
class OutboxEventAdmin(ReadOnlyAdmin):
    list_display = ("id", "created_at", "topic", "subject")
    list_filter = ("topic",)
    search_fields = ("=subject",)


@admin.register(OutboxCursor)
class OutboxCursorAdmin(ReadOnlyAdmin):
    list_display = ("consumer", "event_id", "failures", "updated_at")


@admin.register(ClockOffset)
class ClockOffsetAdmin(ReadOnlyAdmin):
    list_display = ("offset",)


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    list_display = ("component", "instance", "started_at", "beat_at")


@admin.register(SpooledEntry)
class SpooledEntryAdmin(ReadOnlyAdmin):
    list_display = ("id", "kind", "caller", "received_at", "settled_at")
    list_filter = ("kind",)


@admin.register(DataKey)
class DataKeyAdmin(ReadOnlyAdmin):
    hidden = ("wrapped_key",)
    list_display = ("id", "created_at", "destroyed_at")
    list_filter = (("destroyed_at", admin.EmptyFieldListFilter),)


@admin.register(ServiceAccount)
class ServiceAccountAdmin(ReadOnlyAdmin):
    """Accounts are made, and get new secrets, on the command line: a secret is shown once and never in a page."""

    hidden = ("secret",)
    list_display = ("name", "scopes", "is_active", "created_at", "last_used_at")
    list_filter = ("is_active",)
    actions = ("revoke_selected",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core.change_serviceaccount")

    @admin.action(description="Revoke: no new tokens from now on", permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, accounts: QuerySet[ServiceAccount]) -> None:
        names = list(accounts.values_list("name", flat=True))
        revoked = revoke_accounts(names=names, actor=f"staff:{request.user.pk}", now=timezone.now())
        self.message_user(request, f"{revoked} revoked.", messages.SUCCESS)
