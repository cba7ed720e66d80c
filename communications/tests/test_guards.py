"""What must hold for everything that is added later."""

import pytest
from celery import current_app
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.test import Client as Browser
from django.urls import reverse

from communications.services.dispatch import dispatch_due
from communications.tests.factories import a_communication


@pytest.fixture(autouse=True)
def tasks_loaded() -> None:
    current_app.loader.import_default_modules()


def test_every_task_is_routed_to_a_queue_that_workers_read() -> None:
    assert {"core.consume_outbox", "communications.dispatch_due"} <= set(current_app.tasks)
    router = current_app.amqp.Router(queues=None, create_missing=True)
    for name in current_app.tasks:
        queue = router.route({}, name)["queue"].name
        assert queue in {"dispatch", "housekeeping"}, name


def test_every_scheduled_entry_names_a_task_that_exists() -> None:
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        assert entry["task"] in current_app.tasks


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("templates")
def test_the_admin_shows_every_table_and_no_address(smtp: object, admin_client: Browser) -> None:
    row = a_communication()
    dispatch_due()
    for model in admin.site._registry:
        answer = admin_client.get(
            reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        )
        assert answer.status_code == 200, model
        assert "priya." not in answer.content.decode(), model
        instance = model._default_manager.first()
        if instance is not None and model._meta.app_label in {"clients", "communications", "preferences"}:
            change = reverse(
                f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[instance.pk]
            )
            page = admin_client.get(change)
            assert page.status_code == 200, model
            assert "priya." not in page.content.decode(), model
    for page, link in [
        (f"/admin/communications/communication/{row.id}/change/", f"/communications/{row.id}/"),
        (f"/admin/clients/client/{row.client_id}/change/", f"/clients/{row.client_id}/"),
    ]:
        assert f'href="{link}"' in admin_client.get(page).content.decode()


def test_every_model_of_ours_is_in_the_admin() -> None:
    ours = ("core", "clients", "preferences", "communications")
    missing = [
        model.__name__
        for app in ours
        for model in apps.get_app_config(app).get_models()
        if model not in admin.site._registry
    ]
    assert missing == []
