"""The product as its users get it: `run.py up` as a process of its own, with servers of its own."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.policy import default as modern_policy
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import psycopg
import redis

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent
COMMUNICATIONS = "/api/crm/communications"
READY_WITHIN_SECONDS = 150.0
STOPS_WITHIN_SECONDS = 60.0
# Settings of the test run itself, which the stack must not take over: it brings its own servers and secrets.
_SETTING = re.compile(
    r"(CRM|SMTP|PYTEST|DJANGO)_|(DATABASE|REDIS|BROKER|CACHE)_URL$|EMAIL_PROVIDER$|LOG_LEVEL$"
    r"|(SECRET|FIELD_ENCRYPTION|BLIND_INDEX)_KEY$|LINK_SIGNING_KEYS$|ALLOWED_HOSTS$"
)


def eventually(probe: Callable[[], T], *, seconds: float = 30.0, what: str = "It") -> T:
    """Polls until the answer is true, and returns it; fails when the time is up."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s."
        time.sleep(0.05)
    return answer


def clean_environment(state: Path) -> dict[str, str]:
    """The environment of a stranger's shell, but for where the state goes."""
    own = {name: value for name, value in os.environ.items() if not _SETTING.match(name)}
    return {**own, "CRM_STATE_DIR": str(state)}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def http_call(
    base: str, method: str, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None
) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=60)
    with contextlib.closing(connection):
        # A body that is too large is refused before all of it was read; the answer is there all the same.
        with contextlib.suppress(BrokenPipeError):
            connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


class RunningStack:
    """One state folder and the stack that runs from it. The folder must be short: sockets are made in it.

    `settings` are put into its environment, so it can be given servers that a test stops and starts.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.settings = settings
        self.state = folder / "s"
        self.stdout = folder / "stdout"
        self.stderr = folder / "stderr"
        self._process: subprocess.Popen[bytes] | None = None
        self.facts: dict[str, Any] = {}

    def start(self) -> None:
        """Returns when everything is up. May be called again once the stack has stopped."""
        already = self.stdout.stat().st_size if self.stdout.exists() else 0
        with self.stdout.open("ab") as out, self.stderr.open("ab") as err:
            self._process = subprocess.Popen(
                [sys.executable, "run.py", "up", "--json"],
                cwd=ROOT,
                # All browsers of the tests sign in from one network address.
                env=clean_environment(self.state) | {"CRM_TOKEN_RATE": "600/min"} | self.settings,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

        def ready() -> bytes:
            assert self.is_running, f"run.py up ended:\n{self.stderr.read_text(errors='replace')[-4000:]}"
            return self.stdout.read_bytes()[already:].strip()

        self.facts = json.loads(eventually(ready, seconds=READY_WITHIN_SECONDS, what="run.py up"))

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        if self._process is not None:
            if self.is_running:
                self._process.send_signal(signal.SIGTERM)
            self._process.wait(STOPS_WITHIN_SECONDS)

    def wait_until_stopped(self) -> int:
        """For a stack that ends by itself; its exit code."""
        assert self._process is not None
        return self._process.wait(STOPS_WITHIN_SECONDS)

    def process_id(self, name: str) -> int:
        """Of web, worker, scheduler, sandbox, postgres or valkey."""
        record = json.loads((self.state / "run" / "processes.json").read_text())
        return next(program["pid"] for program in record["programs"] if program["name"] == name)

    def close_circuits(self) -> None:
        """Instead of waiting for a minute until a provider that refused is asked again."""
        with contextlib.closing(
            redis.Redis(unix_socket_path=str(self.state / "run" / "valkey.sock"))
        ) as cache:
            for key in cache.scan_iter("*circuit:*"):
                cache.delete(key)

    def manage(self, *arguments: str) -> str:
        ended = subprocess.run(
            [sys.executable, "run.py", "manage", *arguments],
            cwd=ROOT,
            env=clean_environment(self.state),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    # The API

    def web(self, method: str, path: str, *, body: bytes | None = None, **headers: str) -> Answer:
        """Any request, with exactly these headers; `_` in their names stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return http_call(self.facts["url"], method, path, body=body, headers=named)

    def raw(self, request: bytes) -> bytes:
        """What comes back for these very bytes."""
        url = urlsplit(self.facts["url"])
        with socket.create_connection((url.hostname, url.port), timeout=10) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := connection.recv(65536):
                    answer += piece
            return answer

    def api(self, method: str, path: str, body: Any = None, *, token: str = "", **headers: str) -> Answer:
        """A call with a JSON body by a service account, at first the one that `up` printed."""
        headers = {"Authorization": f"Bearer {token or self.facts['token']}", **headers}
        if body is not None:
            headers = {"Content_Type": "application/json", **headers}
        data = None if body is None else json.dumps(body).encode()
        return self.web(method, path, body=data, **headers)

    def request(self, body: dict[str, Any], *, wait: int = 0, **headers: str) -> dict[str, Any]:
        """The answer to an accepted `POST communications`."""
        answer = self.api("POST", f"{COMMUNICATIONS}?wait={wait}", body, **headers)
        assert answer.status in {200, 202}, answer.body
        return answer.json() | {"http_status": answer.status}

    def communication(self, identifier: str) -> dict[str, Any]:
        answer = self.api("GET", f"{COMMUNICATIONS}/{identifier}")
        assert answer.status == 200, answer.body
        return answer.json()

    def is_healthy(self) -> bool:
        answer = self.web("GET", "/api/crm/health")
        return answer.status == 200 and answer.json()["status"] == "healthy"

    # The mail catcher

    def mails_to(self, address: str) -> list[dict[str, Any]]:
        caught = http_call(self.facts["sandbox"]["url"], "GET", "/smtp/messages").json()
        return [mail for mail in caught if address in mail["to"]]

    def parsed_mail(self, number: int) -> EmailMessage:
        raw = http_call(self.facts["sandbox"]["url"], "GET", f"/smtp/mail/{number}/raw")
        assert raw.status == 200
        return BytesParser(policy=modern_policy).parsebytes(raw.body)  # type: ignore[return-value]  # by policy

    @contextlib.contextmanager
    def catcher(self, mode: str, **fields: Any) -> Iterator[None]:
        """The catcher behaves so inside the block and accepts after it."""
        self._behave({"mode": mode, **fields})
        try:
            yield
        finally:
            self._behave({"mode": "accept"})

    def _behave(self, behaviour: dict[str, Any]) -> None:
        url, body = self.facts["sandbox"]["url"], json.dumps(behaviour).encode()
        answer = http_call(url, "PUT", "/smtp/behaviour", body=body)
        assert answer.status == 200, answer.body

    # The database

    @contextlib.contextmanager
    def database(self, name: str = "crm") -> Iterator["psycopg.Connection[Any]"]:
        """Each statement is its own transaction."""
        folder = self.facts["database_url"].partition("?host=")[2]
        with psycopg.connect(dbname=name, user="crm", host=folder, autocommit=True) as connection:
            yield connection

    @contextlib.contextmanager
    def database_away(self) -> Iterator[None]:
        """PostgreSQL ends all sessions of the product and takes no new ones inside the block."""
        with self.database("postgres") as sql:
            sql.execute("ALTER DATABASE crm ALLOW_CONNECTIONS false")
            try:
                sql.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'crm'")
                yield
            finally:
                sql.execute("ALTER DATABASE crm ALLOW_CONNECTIONS true")


def in_url(text: str) -> str:
    return quote(text, safe="")
