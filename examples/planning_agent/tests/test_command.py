"""`python -m examples.planning_agent`, as the demo and a person run it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from examples.planning_agent.tests.crm_server import Behaviour, CrmServer, accepts, closed_port

ROOT = Path(__file__).resolve().parents[3]
CrmThat = Callable[[Behaviour], CrmServer]


def run(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Warnings are errors, and the shell has tracing switched on."""
    tracing = {
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_API_KEY": "key",
        "LANGSMITH_ENDPOINT": "http://127.0.0.1:1",
    }
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "examples.planning_agent", *arguments],
        cwd=ROOT,
        env={**os.environ, **tracing, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_all_clients_as_one_line_of_json(crm_that: CrmThat) -> None:
    crm = crm_that(accepts)
    ended = run("--url", crm.url, "--today", "2026-11-21", "--json", CRM_API_TOKEN="t")

    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    assert len(ended.stdout.splitlines()) == 1
    plans = json.loads(ended.stdout)["plans"]
    assert [plan["workflow_status"] for plan in plans] == ["completed", "completed", "completed", "failed"]
    assert len(crm.asked) == 18
    assert {asked.headers["Authorization"] for asked in crm.asked} == {"Bearer t"}


def test_one_client_in_words_while_nothing_listens() -> None:
    ended = run("--url", f"http://127.0.0.1:{closed_port()}", "--token", "t", "--client", "2")

    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0] == "Giulia Conti, anniversary: completed"
    assert len(lines) == 6
    assert all("not_sent, The CRM was not reached" in line for line in lines[1:])


def test_unanswered_says_what_it_waits_for(crm_that: CrmThat) -> None:
    ended = run("--url", crm_that(accepts).url, "--token", "t", "--client", "1", "--unanswered")

    assert ended.stdout.splitlines()[-1] == "  waits for the client: select_combination"


def test_wrong_use_is_a_sentence() -> None:
    for arguments, said in (
        (["--url", "nowhere", "--token", "t"], "Give the CRM's address as http://host:port"),
        (["--url", "http://127.0.0.1:1"], "Give an access token, or the name and secret"),
    ):
        ended = run(*arguments)
        assert ended.returncode == 2
        assert said in ended.stderr
        assert "Traceback" not in ended.stderr


def test_no_trace_of_the_state_leaves_this_machine() -> None:
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            "import examples.planning_agent.graph\nfrom langsmith.utils import tracing_is_enabled\n"
            "print(tracing_is_enabled())",
        ],
        cwd=ROOT,
        env={**os.environ, "LANGSMITH_TRACING": "true", "LANGCHAIN_TRACING_V2": "true"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.stdout == "False\n", ended.stderr
