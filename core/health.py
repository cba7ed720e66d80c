"""The registry of health checks. Apps register theirs in `ready()`; nothing here knows what they check."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.db import connections

from core.logs import get_logger

logger = get_logger("health")

TIMEOUT_SECONDS = 2.0


class HealthStatus(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    NOT_CONFIGURED = "not_configured"


@dataclass(frozen=True, slots=True)
class Health:
    """What one check found. `detail` is a plain sentence of ours: no addresses, no texts of libraries."""

    status: HealthStatus
    detail: str = ""


@dataclass(frozen=True, slots=True)
class HealthReport:
    status: HealthStatus
    components: Mapping[str, Health]


Check = Callable[[], Health]


class _RegisteredCheck:
    """One check with at most one run at a time, so that a part that hangs cannot pile up threads."""

    def __init__(self, component: str, check: Check, *, vital: bool) -> None:
        self.component = component
        self.vital = vital
        self._check = check
        self._lock = threading.Lock()
        self._run: _Run | None = None

    def begin(self) -> "_Run":
        """The run that is under way, or a new one."""
        with self._lock:
            if self._run is None or self._run.ended.is_set():
                self._run = _Run(self.component, self._check)
                self._run.start()
            return self._run


class _Run(threading.Thread):
    def __init__(self, component: str, check: Check) -> None:
        super().__init__(name=f"health-{component}", daemon=True)
        self.component = component
        self.ended = threading.Event()
        self._check = check
        self._health = Health(HealthStatus.UNHEALTHY, f"No answer within {TIMEOUT_SECONDS:g} s.")

    def run(self) -> None:
        try:
            self._health = self._check()
        except Exception as error:
            # Any failure of a check is its finding; it must not take the others along.
            logger.warning("health check failed", check=self.component, error=error)
            self._health = Health(HealthStatus.UNHEALTHY, f"The check failed: {type(error).__name__}.")
        finally:
            connections.close_all()
            self.ended.set()

    def result(self, *, deadline: float) -> Health:
        self.ended.wait(max(0.0, deadline - time.monotonic()))
        return self._health


_checks: dict[str, _RegisteredCheck] = {}


def register_check(component: str, check: Check, *, vital: bool = False) -> None:
    """Adds a check. A vital one that is down makes the whole unhealthy, any other degraded.

    A second check of a component replaces the first: Django calls `ready()` again in isolated registries.
    """
    _checks[component] = _RegisteredCheck(component, check, vital=vital)


def check_all() -> HealthReport:
    """Runs all checks side by side, in two seconds at most, each in a thread with its own connection."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    runs = {component: registered.begin() for component, registered in _checks.items()}
    found = {component: run.result(deadline=deadline) for component, run in runs.items()}
    return HealthReport(_overall(found), found)


def _overall(found: Mapping[str, Health]) -> HealthStatus:
    bad = {HealthStatus.DEGRADED, HealthStatus.UNHEALTHY}
    if any(_checks[name].vital and health.status is HealthStatus.UNHEALTHY for name, health in found.items()):
        return HealthStatus.UNHEALTHY
    return (
        HealthStatus.DEGRADED
        if any(health.status in bad for health in found.values())
        else HealthStatus.HEALTHY
    )
