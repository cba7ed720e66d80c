"""Preferences, to look at; the pages that change them also check them and tell the queue."""

from django.contrib import admin

from core.admin import ReadOnlyAdmin
from preferences.models import ClientPreferences


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
