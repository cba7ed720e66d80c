from datetime import UTC, datetime

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client

from core import attention, audit, outbox, sealing
from core.admin import ReadOnlyAdmin
from core.models import AdminAlert, AttentionItem, AuditEntry, DataKey, Heartbeat, OutboxCursor

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
MODELS = ["adminalert", "auditentry", "attentionitem", "outboxevent", "outboxcursor", "heartbeat", "datakey"]


@pytest.fixture
def rows(db):
    audit.record(actor="staff:1", action="client.created", target="client:1", now=NOW)
    attention.raise_item(kind="in_doubt", dedupe_key="1", target="communication:1", details={}, now=NOW)
    outbox.publish("plan.changed", subject="plan:1")
    AdminAlert.objects.create(kind="delivery_failed")
    OutboxCursor.objects.create(consumer="reader")
    Heartbeat.objects.create(component="worker", instance="host:1", started_at=NOW, beat_at=NOW)
    sealing.store_keys([sealing.new_key()])


@pytest.fixture
def superuser(db):
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def staff_with(*codenames: str) -> Client:
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("model", MODELS)
def test_lists_and_details_show_and_change_nothing(rows, superuser, model):
    assert superuser.get(f"/admin/core/{model}/").status_code == 200
    instance = next(m for m in admin.site._registry if m._meta.label_lower == f"core.{model}").objects.first()
    page = superuser.get(f"/admin/core/{model}/{instance.pk}/change/")
    assert page.status_code == 200
    assert b'name="_save"' not in page.content
    assert superuser.post(f"/admin/core/{model}/{instance.pk}/change/", {}).status_code == 403
    assert superuser.post(f"/admin/core/{model}/{instance.pk}/delete/", {"post": "yes"}).status_code == 403
    assert superuser.get(f"/admin/core/{model}/add/").status_code == 403


def test_a_data_key_shows_no_key(rows, superuser):
    key = DataKey.objects.get()
    for path in ("", f"{key.pk}/change/"):
        assert key.wrapped_key not in superuser.get(f"/admin/core/datakey/{path}").content.decode()


def test_resolving_goes_through_the_service(rows):
    item = AttentionItem.objects.get()
    client = staff_with("view_attentionitem", "change_attentionitem")
    data = {"action": "resolve_selected", "_selected_action": [str(item.pk)]}
    for expected in ("1 resolved.", "already resolved"):
        page = client.post("/admin/core/attentionitem/", data, follow=True)
        assert expected in page.content.decode()
    item.refresh_from_db()
    user = User.objects.get(username="staff")
    assert item.resolved_by == f"staff:{user.pk}"
    assert AuditEntry.objects.filter(action="attention.resolved", actor=f"staff:{user.pk}").count() == 1


def test_who_may_only_look_cannot_resolve(rows):
    client = staff_with("view_attentionitem")
    page = client.get("/admin/core/attentionitem/")
    assert page.status_code == 200
    assert "resolve_selected" not in page.content.decode()
    data = {"action": "resolve_selected", "_selected_action": [str(AttentionItem.objects.get().pk)]}
    client.post("/admin/core/attentionitem/", data)
    assert AttentionItem.objects.get().resolved_at is None


def test_every_admin_of_ours_is_read_only(db):
    ours = [
        site for model, site in admin.site._registry.items() if model.__module__.startswith("core.models")
    ]
    assert len(ours) >= len(MODELS)
    assert all(isinstance(site, ReadOnlyAdmin) for site in ours)
