"""`run.py demo` is what a stranger runs first: it tells the truth, and says the same when run again (ORC-1)."""

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running_stack import ROOT, clean_environment

pytestmark = pytest.mark.stack

ENDS_WITHIN_SECONDS = 150


@pytest.fixture(scope="module")
def runs() -> Iterator[list["subprocess.CompletedProcess[str]"]]:
    """Two runs, one after the other, in one state folder."""
    with tempfile.TemporaryDirectory(prefix="crm-d-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield [demo(Path(folder) / "s") for _ in range(2)]


def demo(state: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "run.py", "demo", "--exit", "--json"],
        cwd=ROOT,
        env=clean_environment(state),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=ENDS_WITHIN_SECONDS,
    )


def totals(run: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert run.returncode == 0, run.stderr
    told: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return told


def test_requests_mails_and_rows_agree(runs: list["subprocess.CompletedProcess[str]"]) -> None:
    told = totals(runs[0])
    assert told["ok"] is True
    assert told["problems"] == []
    assert told["requests"] == told["smtp_received"] == 18
    assert sum(told["by_status"].values()) == told["communications"] == 21
    assert told["by_status"].keys() <= {"sent", "delivered"}
    # Two clients with a phone hear of their options beside the mail; the apology is an SMS with a mail beside it.
    assert told["by_channel"] == {"email": 18, "sms": 3}
    assert told["texts_received"] == 3


def test_run_again_it_goes_on_and_repeats_nothing(runs: list["subprocess.CompletedProcess[str]"]) -> None:
    assert totals(runs[1]) == totals(runs[0])
    assert runs[1].stderr.count("not sent again") == totals(runs[1])["requests"]
    assert "not sent again" not in runs[0].stderr


def test_each_client_is_told_of_each_step_of_the_planning(
    runs: list["subprocess.CompletedProcess[str]"],
) -> None:
    """WF-1 to WF-6: three workflows end with their blueprint, one with its error; its alert goes by SMS, explained by
    e-mail."""
    for run in runs:
        told = Counter(re.findall(r"^  (\w+) by (?:email|sms)", run.stderr, re.MULTILINE))
        assert told == {
            "welcome": 4,
            "budget_summary": 4,
            "vendor_options": 3,
            "selection_confirmation": 3,
            "blueprint_delivery": 3,
            "error_notification": 1,
        }
        assert run.stderr.count("The workflow completed.") == 3
        assert run.stderr.count("The workflow ended with an error: beam_search_node: no venue") == 1
        assert "  error_notification by sms: " in run.stderr
        assert "    beside it by email: sent" in run.stderr
        assert "  welcome by email: sent" in run.stderr


def test_the_last_line_is_for_programs_and_the_rest_for_people(
    runs: list["subprocess.CompletedProcess[str]"],
) -> None:
    for run in runs:
        assert len(run.stdout.splitlines()) == 1
        assert "All agree." in run.stderr
        assert "Traceback" not in run.stderr
