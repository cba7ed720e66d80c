"""Clients, their contact points (masked) and plans, to look at."""

from django.contrib import admin
from django.urls import reverse

from clients.addresses import mask
from clients.choices import ContactKind
from clients.models import Client, ContactPoint, Plan
from core.admin import ReadOnlyAdmin


@admin.register(Client)
class ClientAdmin(ReadOnlyAdmin):
    list_display = ("reference", "name", "created_at", "erased_at")
    search_fields = ("=reference", "name")
    hidden = ("data_key",)

    def view_on_site(self, obj: Client) -> str:
        return reverse("backoffice:client", args=[obj.id])


@admin.register(ContactPoint)
class ContactPointAdmin(ReadOnlyAdmin):
    list_display = ("client", "kind", "masked_address", "undeliverable_at", "replaced_at")
    list_filter = ("kind",)
    list_select_related = ("client",)
    search_fields = ("=client__reference",)
    hidden = ("address", "address_index")

    @admin.display(description="Address")
    def masked_address(self, point: ContactPoint) -> str:
        return mask(point.address, kind=ContactKind(point.kind))


@admin.register(Plan)
class PlanAdmin(ReadOnlyAdmin):
    list_display = ("reference", "client", "event_date", "stage", "cancelled_at")
    list_select_related = ("client",)
    search_fields = ("=reference", "=client__reference")
    hidden = ("event_type",)
