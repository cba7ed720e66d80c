"""A staging installation writes to nobody who is not on its list."""

import subprocess
import sys

import pytest
from django.conf import settings as real_settings
from pytest_django import Settings

from communications.choices import AttentionKind, Cause, Status
from communications.services.dispatch import dispatch_due
from communications.tests.factories import a_communication
from core.models import AttentionItem
from sandbox.testing import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]


def test_only_who_is_on_the_list_is_written_to(smtp: Sandbox, settings: Settings) -> None:
    settings.CRM_RECIPIENT_ALLOW_LIST = "qa@staging.example, @inside.example"
    ours = a_communication(context={"client_email": "QA@staging.example"})
    inside = a_communication(context={"client_email": "somebody@inside.example"})
    real = a_communication()
    dispatch_due()
    for row, status in ((ours, Status.SENT), (inside, Status.SENT), (real, Status.CANCELLED)):
        row.refresh_from_db()
        assert row.status == status
    assert len(smtp.messages()) == 2
    last = real.events.last()
    assert (last.cause, last.reason) == (Cause.REFUSED_BY_CHECK, "not_on_allow_list")
    item = AttentionItem.objects.get()
    assert (item.kind, item.details) == (AttentionKind.NOT_SENT, {"reason": "not_on_allow_list"})


def test_a_list_with_nonsense_in_it_stops_the_start() -> None:
    started = subprocess.run(
        [sys.executable, "-c", "import crm_project.settings"],
        cwd=real_settings.BASE_DIR,
        env={
            "CRM_ENV": "development",
            "SECRET_KEY": real_settings.SECRET_KEY,
            "FIELD_ENCRYPTION_KEY": ",".join(real_settings.FIELD_ENCRYPTION_KEY),
            "BLIND_INDEX_KEY": real_settings.BLIND_INDEX_KEY,
            "LINK_SIGNING_KEYS": ",".join(real_settings.LINK_SIGNING_KEYS),
            "CRM_RECIPIENT_ALLOW_LIST": "qa@staging.example, everybody",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode != 0
    assert (
        "CRM_RECIPIENT_ALLOW_LIST: 'everybody' is no e-mail address, @domain or phone number."
        in started.stderr
    )
