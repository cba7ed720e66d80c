"""The checks of what every installation needs."""

from functools import partial

from django.core.cache import cache
from django.db import connection

from core import spool
from core.broker import TIMEOUT_SECONDS, quick_connection
from core.health import Health, HealthStatus, register_check
from core.heartbeat import STALE_AFTER_SECONDS, seconds_since_last_beat


def register() -> None:
    """Called once, when the app is ready."""
    register_check("database", check_database, vital=True)
    register_check("broker", check_broker)
    register_check("cache", check_cache)
    register_check("spool", check_spool)
    register_check("worker", partial(check_heartbeat, "worker"))
    register_check("scheduler", partial(check_heartbeat, "scheduler"))


def check_database() -> Health:
    with connection.cursor() as sql:
        sql.execute("SELECT 1")
    return Health(HealthStatus.HEALTHY, "Answers.")


def check_broker() -> Health:
    with quick_connection() as broker:
        broker.ensure_connection(max_retries=0, timeout=TIMEOUT_SECONDS)
    return Health(HealthStatus.HEALTHY, "Answers.")


def check_cache() -> Health:
    cache.set("health", "1", timeout=10)
    if cache.get("health") != "1":
        return Health(HealthStatus.DEGRADED, "Does not keep what is stored in it.")
    return Health(HealthStatus.HEALTHY, "Answers.")


def check_spool() -> Health:
    if not spool.is_configured():
        return Health(HealthStatus.NOT_CONFIGURED, "The broker's server has no streams.")
    waiting, parked = spool.count_waiting(), spool.count_parked()
    if waiting or parked:
        return Health(HealthStatus.DEGRADED, f"{waiting} wait to be stored, {parked} are parked.")
    return Health(HealthStatus.HEALTHY, "Empty.")


def check_heartbeat(component: str) -> Health:
    age_seconds = seconds_since_last_beat(component)
    if age_seconds is None:
        return Health(HealthStatus.UNHEALTHY, "Never started.")
    if age_seconds > STALE_AFTER_SECONDS:
        return Health(HealthStatus.UNHEALTHY, f"Silent for {age_seconds:.0f} s.")
    return Health(HealthStatus.HEALTHY, f"Alive {age_seconds:.0f} s ago.")
