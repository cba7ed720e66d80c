"""An installation for measuring: PostgreSQL and Valkey of its own, made and kept below the state folder."""

import hashlib
import json
import os
import shutil
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import psycopg
import redis
from psycopg import sql

from devstack.api_client import ApiClient
from devstack.environment import Environment
from devstack.errors import StackError
from devstack.postgres import start_postgres
from devstack.project_settings import service_settings, stack_settings
from devstack.stack import PORTS, Programs
from devstack.state import keep_ports
from devstack.supervisor import ROOT, Supervisor
from devstack.valkey import start_valkey


@dataclass
class Installation:
    """`settings`: the environment of every process of the product. The data survives commits as in production:
    nothing of PostgreSQL's durability is switched off."""

    supervisor: Supervisor
    environment: Environment
    settings: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def start(self) -> None:
        self.start_postgres()
        self.start_valkey()

    def start_postgres(self) -> None:
        url = start_postgres(self.supervisor, {}, site=self.environment.site, throwaway=False)
        self.settings.setdefault("DATABASE_URL", url)

    def start_valkey(self) -> None:
        url = start_valkey(self.supervisor, {}, site=self.environment.site)
        self.settings.setdefault("REDIS_URL", url)

    def prepare(self, name: str, **settings: str) -> None:
        """A fresh database of this name with today's schema and the built-in templates; this process's own
        environment from now on. `settings` come on top."""
        self.ports = keep_ports(self.supervisor.state, PORTS)
        base = service_settings(
            self.supervisor.state,
            database_url=self.settings["DATABASE_URL"],
            redis_url=self.settings["REDIS_URL"],
        )
        self.settings = stack_settings(base | settings, self.ports) | {
            "DJANGO_SETTINGS_MODULE": "crm_project.settings",
            "LOG_LEVEL": "WARNING",
            # As in production, where nothing asks for the time; what moves it says so.
            "CRM_ALLOW_DEMO_CLOCK": settings.get("CRM_ALLOW_DEMO_CLOCK", "false"),
            # Callers are throttled as ever, only not at the rate that is being measured.
            "CRM_SERVICE_SEND_RATE": "1000000/s",
            "CRM_SERVICE_READ_RATE": "1000000/s",
        }
        self._forget_earlier_runs()
        self._clone_database(name)
        os.environ.update(self.settings)
        import django

        django.setup()

    def _forget_earlier_runs(self) -> None:
        """A run that was cut short leaves requests in the broker's server and outcomes in journals, which would find
        their way into this one's database."""
        with redis.Redis.from_url(self.settings["REDIS_URL"].replace("redis+socket://", "unix://")) as broker:
            broker.flushall()
        shutil.rmtree(self.supervisor.state.root / "journal", ignore_errors=True)

    @property
    def programs(self) -> Programs:
        return Programs(self.supervisor, self.environment, self.settings)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['web']}"

    def token(self) -> str:
        answer = self.programs.manage("bootstrap_development", "--json").splitlines()[-1]
        token: str = json.loads(answer)["token"]
        return token

    def start_web(self, *, settings: Mapping[str, str] | None = None, application: str = "") -> None:
        """The web server as development and production start it, for the product or another application."""
        program = self.programs.web(self.ports)
        argv = [*program.argv[:-1], application or program.argv[-1]]
        self.supervisor.start(replace(program, argv=argv, env=program.env | dict(settings or {})))
        self.supervisor.wait_until(self._web_answers, "The web server", timeout_seconds=60)

    def stop_web(self) -> None:
        self.supervisor.end("web", signal.SIGTERM)
        # Its processes share the port; the next server must not be taken for ready because of them.
        self.supervisor.wait_until(lambda: not self._web_answers(), "The port", timeout_seconds=30)

    def start_worker(self, name: str = "worker", **settings: str) -> None:
        """A Celery worker with two processes, as production has it. Several need names of their own."""
        program = self.programs.worker()
        argv = [*program.argv, "-n", f"{name}@bench"]
        log = self.supervisor.state.logs / f"{name}.log"
        env = program.env | settings
        self.supervisor.start(replace(program, name=name, argv=argv, env=env, log=log))

    def wait_until_healthy(self) -> None:
        """Web, worker and scheduler; the sandbox is not asked."""
        self.supervisor.wait_until(self._is_healthy, "The stack", timeout_seconds=90)

    def create_database(self, name: str) -> None:
        """An empty one."""
        with self._maintenance() as connection:
            _drop(connection, name)
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def url_of(self, database: str) -> str:
        head, _, tail = self.settings["DATABASE_URL"].partition("?")
        return f"{head.rpartition('/')[0]}/{database}?{tail}"

    def execute(self, statements: str) -> None:
        """In this installation's database, on a connection of its own."""
        with psycopg.connect(
            self.settings["DATABASE_URL"].replace("postgres://", "postgresql://")
        ) as connection:
            connection.execute(statements)

    def database_answers(self) -> bool:
        try:
            self._maintenance().close()
        except psycopg.OperationalError:
            return False
        return True

    def _web_answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.ports["web"])) == 0

    def _is_healthy(self) -> bool:
        try:
            health = ApiClient(self.url).request("GET", "/api/crm/health").body
        except StackError:
            return False
        components = health.get("components", {}) if isinstance(health, dict) else {}
        names = ("worker", "scheduler")
        return all(components.get(name, {}).get("status") == "healthy" for name in names)

    def _clone_database(self, name: str) -> None:
        migrated = f"migrated_{_fingerprint()}"
        own = f"bench_{name}"
        with self._maintenance() as connection:
            known = {row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()}
            _drop(connection, own)
            if migrated not in known:
                for stale in known:
                    if stale.startswith(("migrated_", "making_")):
                        _drop(connection, stale)
                making = f"making_{_fingerprint()}"
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(making)))
                self._use(making)
                self.programs.manage("migrate", "--no-input")
                self.programs.manage("load_templates")
                rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
                connection.execute(rename.format(sql.Identifier(making), sql.Identifier(migrated)))
            copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(copy.format(sql.Identifier(own), sql.Identifier(migrated)))
        self._use(own)

    def _use(self, name: str) -> None:
        self.settings["DATABASE_URL"] = self.url_of(name)

    def _maintenance(self) -> "psycopg.Connection[tuple[str, ...]]":
        folder = self.settings["DATABASE_URL"].partition("?host=")[2]
        return psycopg.connect(dbname="postgres", user="crm", host=folder, autocommit=True)


def _drop(connection: "psycopg.Connection[tuple[str, ...]]", name: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _fingerprint() -> str:
    """Of what a migrated database is made from: the migrations and the built-in templates."""
    digest = hashlib.sha256()
    sources = [*ROOT.glob("*/migrations/*.py"), *ROOT.glob("communications/content/email/**/*")]
    for path in sorted(source for source in sources if source.is_file()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
