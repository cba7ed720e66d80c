"""PostgreSQL, Valkey and both really stopped and started under the running stack: what was accepted is sent, once,
and what could not be accepted was refused (REL-5, REL-6)."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.own_servers import OwnServer
from tests.running_stack import COMMUNICATIONS, Answer, RunningStack, eventually

pytestmark = pytest.mark.stack

RECOVERS_WITHIN_SECONDS = 120.0


def a_request(name: str) -> dict[str, Any]:
    return {
        "plan_id": f"{name}-plan",
        "client_id": f"{name}-client",
        "message_type": "welcome",
        "urgency": "critical",
        "context": {"client_name": "Marcus Bell", "event_type": "gala", "event_date": "2031-05-01"},
        "client": {"name": "Marcus Bell", "email": address(name), "timezone": "America/New_York"},
    }


def address(name: str) -> str:
    return f"{name}@clients.example"


class Servers:
    """The stack's PostgreSQL and Valkey."""

    def __init__(self, folder: Path) -> None:
        self.postgres = OwnServer("postgres", folder / "p")
        self.valkey = OwnServer("valkey", folder / "v")

    def start(self) -> None:
        self.postgres.start()
        self.valkey.start()

    def stop(self) -> None:
        self.postgres.stop()
        self.valkey.stop()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="crm-t-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def servers(folder: Path) -> Iterator[Servers]:
    own = Servers(folder)
    try:
        own.start()
        yield own
    finally:
        own.stop()


@pytest.fixture(scope="module")
def outage_stack(folder: Path, servers: Servers) -> Iterator[RunningStack]:
    running = RunningStack(folder, DATABASE_URL=servers.postgres.url, REDIS_URL=servers.valkey.url)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def ask(stack: RunningStack, name: str, *, wait: int = 10, **headers: str) -> Answer:
    return stack.api("POST", f"{COMMUNICATIONS}?wait={wait}", a_request(name), **headers)


def accepted(answer: Answer) -> str:
    """The id of a request that was taken without the database."""
    told = answer.json()
    assert (answer.status, told["status"], told["duplicate"]) == (202, "accepted", False), told
    assert (told["channel_used"], told["communication_id"], told["strategy"]) == (None, None, None)
    identifier: str = told["request_id"]
    return identifier


def comes_to_rest(stack: RunningStack, names: list[str]) -> None:
    """Everything went out, once, and the stack is itself again, with the processes it had."""
    eventually(
        lambda: all(stack.mails_to(address(name)) for name in names),
        seconds=RECOVERS_WITHIN_SECONDS,
        what="Sending what was accepted",
    )
    eventually(stack.is_healthy, seconds=RECOVERS_WITHIN_SECONDS, what="Health")
    assert stack.is_running
    for name in names:
        repeat = ask(stack, name).json()
        assert (repeat["duplicate"], repeat["status"]) == (True, "sent")
    with stack.database() as sql:
        unsent = sql.execute("SELECT count(*) FROM crm_communications WHERE status <> 'sent'").fetchone()
    assert unsent == (0,)
    assert [len(stack.mails_to(address(name))) for name in names] == [1] * len(names)


def test_the_database_stopped(outage_stack: RunningStack, servers: Servers) -> None:
    """Accepted in the outage, told apart by their keys, stored under the ids that were told, sent once."""
    stack = outage_stack
    processes = {name: stack.process_id(name) for name in ("web", "worker", "scheduler")}
    before = ask(stack, "before", Idempotency_Key="key-before").json()
    assert before["status"] == "sent"
    servers.postgres.stop()
    names = [f"during-{number}" for number in range(12)]
    ids = {name: accepted(ask(stack, name, Idempotency_Key=f"key-{name}")) for name in names}
    again = ask(stack, names[0], Idempotency_Key=f"key-{names[0]}")
    other = ask(stack, "other", Idempotency_Key=f"key-{names[0]}")
    invalid = stack.api("POST", COMMUNICATIONS, a_request("invalid") | {"message_type": "song"})
    ready = stack.web("GET", "/api/crm/health/ready")
    servers.postgres.start()
    assert (again.status, again.json()["request_id"]) == (200, ids[names[0]])
    assert (other.status, other.json()["errors"][0]["code"]) == (422, "idempotency_key_reused")
    assert (invalid.status, invalid.json()["errors"][0]["field"]) == (422, "message_type")
    assert (ready.status, ready.json()["components"]["spool"]["status"]) == (200, "degraded")
    comes_to_rest(stack, ["before", *names])
    stored = {name: ask(stack, name, Idempotency_Key=f"key-{name}").json()["request_id"] for name in names}
    assert stored == ids
    assert {name: stack.process_id(name) for name in processes} == processes


def test_valkey_stopped(outage_stack: RunningStack, servers: Servers) -> None:
    """Requests are stored, and the workers find by themselves what is due."""
    stack = outage_stack
    servers.valkey.stop()
    answer = ask(stack, "without-broker", wait=0)
    eventually(lambda: stack.mails_to(address("without-broker")), what="Sending without the broker")
    servers.valkey.start()
    assert (answer.status, answer.json()["status"]) == (202, "scheduled")
    comes_to_rest(stack, ["without-broker"])


def test_both_stopped(outage_stack: RunningStack, servers: Servers) -> None:
    """Refused with a time to come back; what was spooled before waits in Valkey's own file."""
    stack = outage_stack
    servers.postgres.stop()
    accepted(ask(stack, "spooled"))
    servers.valkey.stop()
    refused = ask(stack, "refused")
    servers.postgres.start()
    stored = eventually(
        lambda: answer if (answer := ask(stack, "stored", wait=0)).status == 202 else None,
        seconds=RECOVERS_WITHIN_SECONDS,
        what="Storing without Valkey",
    )
    servers.valkey.start()
    assert (refused.status, refused.json()["code"]) == (503, "unavailable")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert int(refused.headers["Retry-After"]) > 0
    assert stored.json()["status"] == "scheduled"
    comes_to_rest(stack, ["spooled", "stored"])
    assert stack.mails_to(address("refused")) == []
