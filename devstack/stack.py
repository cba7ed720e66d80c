"""The whole product on this machine: data stores, sandbox, web, worker and scheduler, ready to use."""

import json
import os
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from devstack import console
from devstack.api_client import ApiClient
from devstack.environment import Environment
from devstack.errors import StackError
from devstack.postgres import start_postgres
from devstack.program import TIER_DATA, TIER_TASK, Program
from devstack.project_settings import inherited, service_settings, stack_settings
from devstack.state import RUNNING, keep_ports
from devstack.supervisor import ROOT, Supervisor
from devstack.valkey import start_valkey

PORTS = ("web", "sandbox", "smtp", "twilio", "telnyx")


@dataclass(frozen=True)
class Stack:
    """A running installation and how to reach it."""

    supervisor: Supervisor
    environment: Environment
    settings: dict[str, str]
    url: str
    sandbox_url: str
    smtp: str
    twilio_url: str
    staff: dict[str, str]
    token: str

    def summary(self) -> dict[str, Any]:
        return {
            "url": self.url,
            "staff": self.staff,
            "token": self.token,
            "database_url": self.settings["DATABASE_URL"],
            "sandbox": {"url": self.sandbox_url, "smtp": self.smtp, "twilio": self.twilio_url},
        }

    def manage(self, *arguments: str) -> str:
        """Runs a management command and returns what it printed."""
        return Programs(self.supervisor, self.environment, self.settings).manage(*arguments)


def start_services(
    supervisor: Supervisor, environment: Environment, *, throwaway: bool = False
) -> dict[str, str]:
    """PostgreSQL and Valkey, unless the caller brings them; returns the project's environment."""
    own = inherited()
    return service_settings(
        supervisor.state,
        database_url=start_postgres(supervisor, own, site=environment.site, throwaway=throwaway),
        redis_url=start_valkey(supervisor, own, site=environment.site),
    )


def start_stack(supervisor: Supervisor, environment: Environment) -> Stack:
    """Starts everything and returns when the health endpoint says that worker and scheduler work."""
    progress = console.Progress("Starting")
    progress.show("database and broker")
    settings = start_services(supervisor, environment)
    ports = keep_ports(supervisor.state, PORTS)
    settings = stack_settings(settings, ports)
    programs = Programs(supervisor, environment, settings)
    supervisor.start(programs.sandbox(ports))
    progress.show("migrations")
    programs.manage("migrate", "--no-input")
    for program in (programs.web(ports), programs.worker(), programs.scheduler()):
        supervisor.start(program)
    progress.show("templates and login")
    programs.manage("load_templates")
    login = json.loads(programs.manage("bootstrap_development", "--json").splitlines()[-1])
    stack = Stack(
        supervisor=supervisor,
        environment=environment,
        settings=settings,
        url=f"http://127.0.0.1:{ports['web']}",
        sandbox_url=f"http://127.0.0.1:{ports['sandbox']}",
        smtp=f"127.0.0.1:{ports['smtp']}",
        twilio_url=f"http://127.0.0.1:{ports['twilio']}",
        staff={"username": login["username"], "password": login["password"]},
        token=login["token"],
    )
    progress.show("web, worker and scheduler")
    supervisor.wait_until(lambda: _is_healthy(stack), "The stack", timeout_seconds=90)
    supervisor.state.write(RUNNING, {"settings": settings, "url": stack.url})
    progress.end("ready")
    return stack


@dataclass(frozen=True)
class Programs:
    """The processes of the project, each with its command line."""

    supervisor: Supervisor
    environment: Environment
    settings: dict[str, str]

    def web(self, ports: dict[str, int]) -> Program:
        options = {
            "--interface": "wsgi",
            "--host": "127.0.0.1",
            "--port": str(ports["web"]),
            "--workers": "2",
            "--blocking-threads": "4",
            # More than the threads can take waits in the socket's backlog instead of in memory.
            "--backpressure": "16",
            "--workers-kill-timeout": "5",
        }
        flags = [part for option in options.items() for part in option]
        return self._service(
            "web",
            [self.environment.tool("granian"), *flags, "--no-access-log", "crm_project.wsgi:application"],
        )

    def worker(self) -> Program:
        flags = ["-Q", "dispatch,housekeeping", "--concurrency", "2", "--pool", "prefork", "-l", "warning"]
        return self._service(
            "worker", [*self._celery("worker"), *flags, "--without-gossip", "--without-mingle"]
        )

    def scheduler(self) -> Program:
        run = self.supervisor.state.run
        pid_file = run / "scheduler.pid"
        pid_file.unlink(missing_ok=True)  # of a killed run; beat refuses to start beside it
        flags = ["-l", "warning", "--pidfile", str(pid_file), "--schedule", str(run / "schedule")]
        return self._service("scheduler", [*self._celery("beat"), *flags])

    def sandbox(self, ports: dict[str, int]) -> Program:
        state = self.supervisor.state.root / "sandbox"
        state.mkdir(mode=0o700, exist_ok=True)
        flags = [
            "--state-dir",
            str(state),
            "--http-port",
            str(ports["sandbox"]),
            "--smtp-port",
            str(ports["smtp"]),
            "--twilio-port",
            str(ports["twilio"]),
            "--telnyx-port",
            str(ports["telnyx"]),
            "--webhooks-url",
            f"http://127.0.0.1:{ports['web']}/api/crm/webhooks",
        ]
        argv = [str(self.environment.python), "-m", "sandbox", *flags]
        # Below the services, so that a worker that is stopping can still finish a mail.
        return replace(self._service("sandbox", argv), tier=TIER_DATA)

    def manage(self, *arguments: str) -> str:
        """Runs a management command; what it prints is returned and kept nowhere, it may hold a secret."""
        argv = [str(self.environment.python), "manage.py", *arguments]
        program = Program(
            name=f"manage-{arguments[0]}", argv=argv, env=self.settings, cwd=ROOT, tier=TIER_TASK
        )
        ended = self.supervisor.run(program)
        if ended.code != 0:
            given = [name for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)]
            hint = f"It used your {' and '.join(given)}: is what it names running?\n" if given else ""
            raise StackError(f"`manage.py {' '.join(arguments)}` failed. {hint}It said:\n{ended.output}")
        return ended.output.strip()

    def _celery(self, command: str) -> list[str]:
        return [str(self.environment.python), "-m", "celery", "-A", "crm_project", command]

    def _service(self, name: str, argv: list[str]) -> Program:
        log = self.supervisor.state.logs / f"{name}.log"
        return Program(name=name, argv=argv, env=self.settings, cwd=ROOT, log=log)


def _is_healthy(stack: Stack) -> bool:
    """The sandbox answers, and the health endpoint has seen worker and scheduler."""
    try:
        sandbox = ApiClient(stack.sandbox_url).request("GET", "/health")
        health = ApiClient(stack.url).request("GET", "/api/crm/health")
    except StackError:
        return False
    components = health.body.get("components", {}) if isinstance(health.body, dict) else {}
    alive = [components.get(name, {}).get("status") == "healthy" for name in ("worker", "scheduler")]
    return sandbox.status == HTTPStatus.OK and all(alive)
