import socket
import threading
import time

import pytest
from django.db import connection

from core import health, health_checks
from core.health import Health, HealthStatus, check_all, register_check
from core.tests.celery_settings import configured
from core.tests.races import other_connections, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
FINE = Health(HealthStatus.HEALTHY)


@pytest.fixture
def checks(monkeypatch):
    monkeypatch.setattr(health, "_checks", {})


@pytest.fixture
def builtin(checks):
    health_checks.register()


def beat(component: str, *, age_seconds: int) -> None:
    with connection.cursor() as sql:
        sql.execute(
            "INSERT INTO crm_heartbeats (component, instance, started_at, beat_at) "
            "VALUES (%s, %s, now(), clock_timestamp() - make_interval(secs => %s))",
            [component, f"host:{age_seconds}", age_seconds],
        )


def test_everything_up_is_healthy(builtin):
    beat("worker", age_seconds=10)
    beat("worker", age_seconds=3000)
    beat("scheduler", age_seconds=30)
    report = check_all()
    assert set(report.components) == {"database", "broker", "cache", "spool", "worker", "scheduler"}
    assert {found.status for found in report.components.values()} == {HealthStatus.HEALTHY}
    assert report.status is HealthStatus.HEALTHY


def test_a_silent_worker_degrades_after_a_minute(builtin):
    beat("worker", age_seconds=61)
    report = check_all()
    assert report.components["worker"].status is HealthStatus.UNHEALTHY
    assert report.components["worker"].detail.startswith("Silent for 61")
    assert report.components["scheduler"].detail == "Never started."
    assert report.components["database"].status is HealthStatus.HEALTHY
    assert report.status is HealthStatus.DEGRADED


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "redis+socket:///nowhere/at/all.sock"])
def test_a_broker_that_is_down_is_seen(builtin, url):
    with configured(broker_write_url=url):
        report = check_all()
    assert report.components["broker"].status is HealthStatus.UNHEALTHY
    assert "nowhere" not in report.components["broker"].detail
    assert report.components["cache"].status is HealthStatus.HEALTHY


def test_a_broker_that_hangs_is_seen_in_time(builtin):
    with socket.create_server(("127.0.0.1", 0)) as server:
        started = time.monotonic()
        with configured(broker_write_url=f"redis://127.0.0.1:{server.getsockname()[1]}/0"):
            report = check_all()
        assert time.monotonic() - started < 10
    assert report.components["broker"].status is HealthStatus.UNHEALTHY
    assert report.components["database"].status is HealthStatus.HEALTHY


def test_a_cache_that_is_down_is_seen(builtin, settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
            "OPTIONS": {"socket_connect_timeout": 1},
        }
    }
    assert check_all().components["cache"].status is HealthStatus.UNHEALTHY


def test_a_database_that_is_down_makes_it_unhealthy(builtin, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "NAME", "no_such_database")
    report = check_all()
    assert report.components["database"].status is HealthStatus.UNHEALTHY
    assert report.components["broker"].status is HealthStatus.HEALTHY
    assert report.status is HealthStatus.UNHEALTHY


def test_one_failing_check_leaves_the_others_alone_and_tells_no_secrets(checks):
    def fails() -> Health:
        raise RuntimeError("asha@example.org")

    register_check("email", fails)
    register_check("sms", lambda: Health(HealthStatus.NOT_CONFIGURED, "No account."))
    register_check("database", lambda: FINE, vital=True)
    report = check_all()
    assert report.components["email"] == Health(HealthStatus.UNHEALTHY, "The check failed: RuntimeError.")
    assert report.components["sms"].status is HealthStatus.NOT_CONFIGURED
    assert report.components["database"] == FINE
    assert report.status is HealthStatus.DEGRADED


def test_what_is_not_configured_is_not_ill(checks):
    register_check("sms", lambda: Health(HealthStatus.NOT_CONFIGURED))
    assert check_all().status is HealthStatus.HEALTHY


def test_a_check_that_hangs_is_bounded_and_never_runs_twice(checks, monkeypatch):
    monkeypatch.setattr(health, "TIMEOUT_SECONDS", 0.3)
    release, runs = threading.Event(), []

    def hangs() -> Health:
        runs.append(1)
        release.wait(20)
        return FINE

    register_check("slow", hangs)
    register_check("fast", lambda: FINE)
    started = time.monotonic()
    reports = [check_all(), check_all()]
    assert time.monotonic() - started < 10
    assert [report.components["slow"].status for report in reports] == [HealthStatus.UNHEALTHY] * 2
    assert [report.components["fast"].status for report in reports] == [HealthStatus.HEALTHY] * 2
    assert len(runs) == 1
    release.set()
    health._checks["slow"].begin().join(10)
    assert check_all().components["slow"] == FINE


def test_checks_leave_no_database_connection_open(builtin):
    check_all()
    # A server process takes a moment to notice that its client left.
    wait_until(lambda: other_connections() == 0)
