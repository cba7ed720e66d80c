"""Alerts to administrators, taken by a real HTTP server (REL-3, OPS)."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from celery import current_app
from django.db import connection, transaction

from core import alerts, attention
from core.alert_kinds import ALERT_TASK
from core.alerts import ALERTS_FAILING, send_alerts
from core.models import AdminAlert, AttentionItem
from core.tests.alert_service import AlertService
from core.tests.celery_settings import configured
from core.tests.races import Call, at_once, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture
def service(settings):
    running = AlertService()
    settings.ADMIN_ALERT_URLS = [running.url]
    yield running
    running.close()


def an_item(number=1, kind="delivery_failed", **more):
    return attention.raise_item(
        kind=kind, dedupe_key=str(number), target=f"communication:{number}", details={}, now=NOW, **more
    )


def later(minutes):
    return NOW + timedelta(minutes=minutes)


def test_the_first_is_told_at_once_without_anything_personal(service, settings):
    settings.CRM_PUBLIC_URL = "https://crm.planiva.test"
    an_item()
    assert send_alerts(now=NOW) == 1
    (alert,) = service.taken
    assert alert["title"] == "Planiva Event Planning: a person is needed"
    assert alert["message"] == (
        "A message could not be delivered on any channel. See https://crm.planiva.test/"
    )


def test_each_item_is_told_once_and_those_that_follow_together(service):
    an_item(1)
    send_alerts(now=NOW)
    for number in (1, 2, 3, 4):
        an_item(number)
    assert send_alerts(now=later(14)) == 0
    assert send_alerts(now=later(15)) == 1
    assert service.taken[-1]["message"].startswith("3 messages could not be delivered on any channel.")
    assert send_alerts(now=later(60)) == 0


def test_kinds_are_told_apart(service):
    an_item(kind="delivery_failed")
    an_item(kind="provider_configuration")
    an_item(kind="journal_rejected")
    an_item(kind="outbox_consumer_failing")
    assert send_alerts(now=NOW) == 4


def test_what_needs_no_administrator_is_not_told(service):
    an_item(kind="in_doubt")
    an_item(kind="request_refused")
    assert send_alerts(now=NOW) == 0
    assert service.taken == []


def test_what_was_settled_meanwhile_is_not_told(service):
    attention.resolve(item_id=an_item().id, actor="staff:7", now=NOW)
    assert send_alerts(now=NOW) == 0


def test_what_was_rolled_back_is_not_told(service):
    with transaction.atomic():
        an_item()
        transaction.set_rollback(True)
    assert send_alerts(now=NOW) == 0


def test_one_that_opens_anew_is_told_anew(service):
    attention.resolve(item_id=an_item().id, actor="staff:7", now=NOW)
    an_item()
    assert send_alerts(now=NOW) == 1


def test_without_addresses_nothing_is_done(settings, django_assert_num_queries):
    settings.ADMIN_ALERT_URLS = []
    an_item()
    with django_assert_num_queries(0):
        assert send_alerts(now=NOW) == 0


def test_a_service_that_is_down_is_logged_shown_and_tried_again(service, settings, log):
    service.status = 500
    an_item()
    assert send_alerts(now=NOW) == 0
    shown = AttentionItem.objects.get(kind=ALERTS_FAILING)
    assert (shown.target, shown.details) == ("setting:ADMIN_ALERT_URLS", {"failures": 1})
    assert "a service for alerts did not take one" in [line["event"] for line in log.lines()]
    service.status = 200
    assert send_alerts(now=later(0.5)) == 0
    assert send_alerts(now=later(1)) == 1
    assert AdminAlert.objects.get().failures == 0
    shown.refresh_from_db()
    assert shown.resolved_by == attention.SETTLED_ITSELF


def test_nothing_listens(settings):
    settings.ADMIN_ALERT_URLS = ["json://127.0.0.1:9"]
    an_item()
    assert send_alerts(now=NOW) == 0
    assert send_alerts(now=later(1)) == 0
    assert AdminAlert.objects.get().failures == 2


def test_a_service_that_hangs_takes_a_bounded_time(service, monkeypatch):
    monkeypatch.setattr(alerts, "SEND_SECONDS", 0.5)
    service.silent.set()
    an_item()
    began = time.monotonic()
    assert send_alerts(now=NOW) == 0
    # Its own limits, four seconds to connect and four to read, did not have to run out.
    assert time.monotonic() - began < 4


def test_one_of_two_services_is_enough_and_the_other_is_shown(service, settings):
    settings.ADMIN_ALERT_URLS = ["json://127.0.0.1:9", service.url]
    an_item()
    assert send_alerts(now=NOW) == 1
    assert len(service.taken) == 1
    assert AttentionItem.objects.filter(kind=ALERTS_FAILING, resolved_at__isnull=True).exists()
    assert send_alerts(now=later(20)) == 0
    assert len(service.taken) == 1


def test_it_goes_out_outside_of_transactions(service):
    an_item()
    with transaction.atomic(), pytest.raises(RuntimeError, match="outside of transactions"):
        send_alerts(now=NOW)


def test_no_transaction_and_no_lock_is_held_while_a_service_is_waited_for(service, monkeypatch):
    monkeypatch.setattr(alerts, "SEND_SECONDS", 3.0)
    service.silent.set()
    an_item()
    sending = Call(lambda: send_alerts(now=NOW))
    wait_until(lambda: AdminAlert.objects.filter(claimed_until__isnull=False).exists())
    with connection.cursor() as sql:
        sql.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
        )
        assert sql.fetchone() == (0,)
    an_item(2)
    assert sending.finish() == 0


def test_several_processes_tell_it_once(service):
    for number in range(3):
        an_item(number)
    assert sum(at_once(4, lambda: send_alerts(now=NOW))) == 1
    assert len(service.taken) == 1


def test_one_that_died_while_telling_is_followed_by_another(service):
    an_item()
    AdminAlert.objects.create(kind="delivery_failed", claimed_until=later(1))
    assert send_alerts(now=NOW) == 0
    assert send_alerts(now=later(1)) == 1


def test_opening_rings_and_is_logged_as_critical_once(service, log, own_queue):
    an_item()
    an_item()
    an_item(kind="in_doubt")
    critical = [line for line in log.lines() if line["level"] == "critical"]
    assert [(line["event"], line["kind"]) for line in critical] == [
        ("an administrator is needed", "delivery_failed")
    ]
    assert rung(own_queue) == [ALERT_TASK]


@pytest.fixture
def own_queue():
    """A queue of the real broker that takes our rings alone."""
    name = "alert-test"
    with configured(task_routes={**current_app.conf.task_routes, ALERT_TASK: {"queue": name}}):
        rung(name)
        yield name
        rung(name)


def rung(queue_name):
    """The tasks that were rung for; the queue is empty afterwards."""
    found = []
    with current_app.connection_for_read() as broker, broker.SimpleQueue(queue_name) as queue:
        while True:
            try:
                message = queue.get_nowait()
            except queue.Empty:
                return found
            message.ack()
            found.append(message.headers["task"])
