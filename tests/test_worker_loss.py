"""Parts of the running stack killed at the worst moment: nothing lost, nothing sent twice (REL-6).

What a worker leaves behind at each instant is tested process by process in communications; here it is what
Celery, the scheduler's sweeps and a new start make of it.
"""

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.running_stack import RunningStack, eventually

pytestmark = pytest.mark.stack


def a_request(name: str) -> dict[str, Any]:
    address = f"{name}@clients.example"
    return {
        "plan_id": f"{name}-plan",
        "client_id": f"{name}-client",
        "message_type": "welcome",
        "urgency": "critical",
        "context": {"client_name": "Marcus Bell", "event_type": "gala", "event_date": "2031-05-01"},
        "client": {"name": "Marcus Bell", "email": address, "timezone": "America/New_York"},
    }


def the_call_in_progress(stack: RunningStack, identifier: str, address: str) -> int:
    """Waits until the catcher has the mail and keeps its answer back; the process that waits for it."""
    eventually(lambda: stack.mails_to(address), what="The mail")
    detail = stack.communication(identifier)
    assert detail["status"] == "sending"
    claimed = next(event for event in detail["events"] if event["cause"] == "claimed")
    process = int(re.fullmatch(r"worker:.+:(\d+)", claimed["actor"])[1])
    parent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1]
    assert int(parent) == stack.process_id("worker"), "it is a pool process of this stack's worker"
    return process


def let_the_lease_run_out(stack: RunningStack, identifier: str) -> None:
    """Instead of waiting for two minutes."""
    with stack.database() as sql:
        changed = sql.execute(
            "UPDATE crm_queue_leases SET expires_at = clock_timestamp() - interval '1 second'"
            " WHERE token = (SELECT lease_token FROM crm_queue WHERE communication_id = %s)",
            [identifier],
        )
        assert changed.rowcount == 1


def comes_to_rest_in_doubt(stack: RunningStack, identifier: str, address: str) -> None:
    """One row in doubt, shown to staff, one mail, and no second call by those who came after."""
    let_the_lease_run_out(stack, identifier)
    eventually(lambda: stack.communication(identifier)["status"] != "sending", what="The sweep of its lease")
    detail = stack.communication(identifier)
    assert detail["status"] == "in_doubt"
    assert [attempt["status"] for attempt in detail["attempts"]] == ["unknown"]
    after = stack.request(a_request(f"after-{address.partition('@')[0]}"), wait=10)
    assert after["status"] == "sent", "workers go on with what comes next"
    assert len(stack.mails_to(address)) == 1
    with stack.database() as sql:
        shown = sql.execute(
            "SELECT kind FROM crm_attention_items WHERE target = %s", [f"communication:{identifier}"]
        ).fetchall()
    assert shown == [("in_doubt",)]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the pool process through /proc")
def test_a_pool_process_killed_during_a_call(stack: RunningStack) -> None:
    """Celery replaces it, without a word about the message, and the stack goes on."""
    body = a_request("pool-loss")
    address, worker = body["client"]["email"], stack.process_id("worker")
    with stack.catcher("delay", seconds=60):
        identifier = stack.request(body)["communication_id"]
        os.kill(the_call_in_progress(stack, identifier, address), signal.SIGKILL)
    comes_to_rest_in_doubt(stack, identifier, address)
    assert stack.process_id("worker") == worker
    assert stack.is_running


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the pool process through /proc")
def test_the_worker_killed_during_a_call_and_the_stack_started_again(stack: RunningStack) -> None:
    """run.py replaces nothing silently: it stops everything and says what ended. The next start goes on."""
    body = a_request("worker-loss")
    address = body["client"]["email"]
    with stack.catcher("delay", seconds=60):
        identifier = stack.request(body)["communication_id"]
        the_call_in_progress(stack, identifier, address)
        os.kill(stack.process_id("worker"), signal.SIGKILL)
        assert stack.wait_until_stopped() == 1
        assert "worker was ended by SIGKILL" in stack.stderr.read_text()
        stack.start()
    assert len(stack.mails_to(address)) == 1
    comes_to_rest_in_doubt(stack, identifier, address)
