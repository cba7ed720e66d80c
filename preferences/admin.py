"""Preferences, to look at; the pages that change them also check them and tell the queue."""

from django.apps import apps
from django.contrib import admin

from core.admin import ReadOnlyAdmin
from preferences.models import ClientPreferences, ConsentEntry, Suppression


@admin.register(ClientPreferences)
class ClientPreferencesAdmin(ReadOnlyAdmin):
    list_display = (
        "client",
        "preferred_channels",
        "timezone",
        "quiet_hours_start",
        "quiet_hours_end",
        "pause_until",
        "frequency",
    )
    list_select_related = ("client",)
    search_fields = ("=client__reference",)


@admin.register(apps.get_model("preferences", "ClientPreferencesHistory"))
class ClientPreferencesHistoryAdmin(ReadOnlyAdmin):
    """What stood there before each change."""

    list_display = ("pgh_created_at", "client", "preferred_channels", "timezone", "pause_until", "frequency")
    list_select_related = ("client",)
    search_fields = ("=client__reference",)


@admin.register(ConsentEntry)
class ConsentEntryAdmin(ReadOnlyAdmin):
    list_display = ("client", "channel", "purpose", "state", "source", "wording", "occurred_at")
    list_filter = ("channel", "state", "source")
    list_select_related = ("client",)
    search_fields = ("=client__reference",)
    hidden = ("ip",)


@admin.register(Suppression)
class SuppressionAdmin(ReadOnlyAdmin):
    """Looked at here; added and released on the page Suppressions, which says so to the queue."""

    list_display = ("channel", "reason", "occurred_at", "created_by", "released_at", "release_reason")
    list_filter = ("channel", "reason")
    search_fields = ("=address_index",)
    hidden = ("address", "address_index")
