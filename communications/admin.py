"""The engine's rows, to look at. Nothing here changes a status: only the lifecycle does."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from communications.models import (
    Attachment,
    Communication,
    CommunicationRequest,
    DeliveryAttempt,
    DeliveryEvent,
    IdempotencyKey,
    Pause,
    QueueEntry,
    QueueLease,
    Receipt,
    RequestAttachment,
    SendingGate,
    Template,
    TemplateVersion,
)
from core.admin import ReadOnlyAdmin

if TYPE_CHECKING:
    _Inline = admin.TabularInline[DeliveryEvent, Communication]
    _AttemptInline = admin.TabularInline[DeliveryAttempt, Communication]
else:
    _Inline = _AttemptInline = admin.TabularInline


class _ReadOnlyInline:
    extra = 0
    can_delete = False

    def has_add_permission(self, _request: HttpRequest, _obj: object = None) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: object = None) -> bool:
        return False


class EventInline(_ReadOnlyInline, _Inline):
    model = DeliveryEvent
    fields = ("occurred_at", "from_status", "to_status", "cause", "code", "actor")
    ordering = ("id",)


class AttemptInline(_ReadOnlyInline, _AttemptInline):
    model = DeliveryAttempt
    fields = (
        "number",
        "provider",
        "delivery_status",
        "outcome_code",
        "message_id",
        "started_at",
        "finished_at",
    )
    ordering = ("number",)


@admin.register(CommunicationRequest)
class CommunicationRequestAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "message_type", "client", "plan", "urgency", "created_by")
    list_filter = ("message_type", "urgency")
    list_select_related = ("client", "plan")
    search_fields = ("=id", "=client__reference", "=plan__reference")
    hidden = ("context", "business_key")


@admin.register(Attachment)
class AttachmentAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "client", "media_type", "size_bytes")
    list_filter = ("media_type",)
    list_select_related = ("client",)
    search_fields = ("=id", "=client__reference")
    hidden = ("content", "content_hash")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attachment]:
        # Megabytes that nobody sees here.
        queryset: QuerySet[Attachment] = super().get_queryset(request)
        return queryset.defer("content")


@admin.register(RequestAttachment)
class RequestAttachmentAdmin(ReadOnlyAdmin):
    list_display = ("request", "position", "attachment", "made_by_us")
    list_select_related = ("request", "attachment")
    search_fields = ("=request__id", "=attachment__id")
    hidden = ("filename",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RequestAttachment]:
        queryset: QuerySet[RequestAttachment] = super().get_queryset(request)
        return queryset.defer("attachment__content")


@admin.register(Communication)
class CommunicationAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at",
        "message_type",
        "client",
        "channel",
        "status",
        "due_at",
        "sent_at",
        "outcome_code",
    )
    list_filter = ("status", "channel", "message_type")
    ordering = ("-created_at", "-id")
    list_select_related = ("client",)
    search_fields = ("=id", "=client__reference", "=plan__reference")
    hidden = ("content",)
    inlines = (AttemptInline, EventInline)

    def view_on_site(self, obj: Communication) -> str:
        return reverse("communications:communication", args=[obj.id])

    def get_queryset(self, request: HttpRequest) -> QuerySet[Communication]:
        # Sealed texts are large and not shown here.
        queryset: QuerySet[Communication] = super().get_queryset(request)
        return queryset.defer("content")


@admin.register(QueueEntry)
class QueueEntryAdmin(ReadOnlyAdmin):
    list_display = ("due_at", "priority", "communication", "waits_for", "lapses")
    list_filter = ("priority",)
    list_select_related = ("communication",)
    search_fields = ("=communication__id",)
    hidden = ("lease_token",)


@admin.register(QueueLease)
class QueueLeaseAdmin(ReadOnlyAdmin):
    list_display = ("expires_at", "worker")
    hidden = ("token", "communication_ids")


@admin.register(DeliveryAttempt)
class DeliveryAttemptAdmin(ReadOnlyAdmin):
    list_display = ("started_at", "communication", "number", "provider", "delivery_status", "outcome_code")
    list_filter = ("delivery_status", "provider")
    list_select_related = ("communication",)
    search_fields = ("=id", "=message_id", "=communication__id")
    hidden = ("error_message", "lease_token")


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "caller", "request")
    list_select_related = ("request",)
    search_fields = ("=caller",)
    hidden = ("key_hash", "body_hash")


@admin.register(DeliveryEvent)
class DeliveryEventAdmin(ReadOnlyAdmin):
    list_display = ("occurred_at", "communication", "from_status", "to_status", "cause", "code", "actor")
    list_filter = ("cause",)
    list_select_related = ("communication",)
    search_fields = ("=communication__id",)
    hidden = ("payload",)


@admin.register(Receipt)
class ReceiptAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "provider", "kind", "verdict", "outcome_code", "processed_at")
    list_filter = ("provider", "kind", "verdict")
    search_fields = ("=id", "=attempt_reference", "=provider_message_id")
    hidden = ("payload", "dedupe_key")


@admin.register(Template)
class TemplateAdmin(ReadOnlyAdmin):
    list_display = ("name", "channel", "active_version", "updated_at")
    list_select_related = ("active_version__template",)


@admin.register(TemplateVersion)
class TemplateVersionAdmin(ReadOnlyAdmin):
    list_display = ("template", "number", "created_at", "created_by")
    list_select_related = ("template",)
    list_filter = ("template__name",)


@admin.register(Pause)
class PauseAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "scope", "value", "created_by", "lifted_at", "lifted_by")
    list_filter = ("scope",)


@admin.register(SendingGate)
class SendingGateAdmin(ReadOnlyAdmin):
    list_display = ("id", "version")
