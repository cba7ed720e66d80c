"""What reaches administrators when every channel failed, or a provider refuses our account (REL-3, MSG-11)."""

import pytest
from django.utils import timezone

from communications.choices import AttentionKind
from communications.rules.alerts import ALERTS
from communications.services.dispatch import dispatch_due
from communications.tests.factories import a_communication
from core.alerts import send_alerts
from core.models import AttentionItem
from core.tests.alert_service import AlertService

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]


@pytest.fixture
def service(settings):
    running = AlertService()
    settings.ADMIN_ALERT_URLS = [running.url]
    yield running
    running.close()


@pytest.mark.parametrize(
    ("refusal", "kind", "several"),
    [
        ((550, "5.1.1 no such user", "rcpt"), AttentionKind.DELIVERY_FAILED, True),
        ((530, "5.7.0 sign in first", "mail"), AttentionKind.PROVIDER_CONFIGURATION, False),
    ],
)
def test_administrators_are_told_once_and_nothing_personal(service, smtp, refusal, kind, several):
    code, text, stage = refusal
    smtp.behave("refuse", code=code, text=text, stage=stage)
    rows = [a_communication() for _ in range(2)]
    dispatch_due()
    assert AttentionItem.objects.filter(kind=kind).count() == (2 if several else 1)
    send_alerts(now=timezone.now())
    send_alerts(now=timezone.now())
    (alert,) = service.taken
    assert alert["message"].startswith(ALERTS[kind].say(2 if several else 1))
    for row in rows:
        assert row.client.name not in str(alert)
        assert row.client.reference not in str(alert)
    assert "@" not in str(alert)


def test_every_sentence_can_be_said():
    for words in ALERTS.values():
        assert words.say(1).endswith(".")
        assert "3" in words.say(3)
