"""Whatever the CRM does, the workflow ends with its own result, and its state says what was not said."""

import json
import socket
import time
from collections.abc import Callable
from datetime import date

import pytest

from examples.planning_agent.clients import CLIENTS
from examples.planning_agent.crm import CrmClient, Patience, ServiceAccount
from examples.planning_agent.graph import run_plan
from examples.planning_agent.state import PlanningState
from examples.planning_agent.tests.crm_server import (
    Asked,
    Behaviour,
    CrmServer,
    Reply,
    accepts,
    breaks_off,
    closed_port,
    drips,
    fails_first,
    hangs,
    hangs_up,
    says,
    speaks_no_http,
)

TODAY = date(2026, 11, 21)
HURRY = Patience(call_seconds=0.3, attempts=2, wait_seconds=0.01, total_seconds=1)
PROBLEM = {
    "status": 422,
    "code": "invalid",
    "detail": "Some values are not valid.",
    "errors": [{"field": "client.email", "code": "invalid", "message": "Write it as name@example.com."}],
}
MESSAGES = ["welcome", "budget_summary", "vendor_options", "selection_confirmation", "blueprint_delivery"]

CrmThat = Callable[[Behaviour], CrmServer]


def plan(crm: CrmClient, *, number: int = 0) -> PlanningState:
    client = CLIENTS[number]
    return run_plan(client.plan_request(TODAY), crm, today=TODAY, selects_rank=client.selects_rank)


def own_result(state: PlanningState) -> object:
    """All that does not come from the CRM and is not made anew for each run."""
    theirs = {"communications", "last_communication_at", "run_id", "checkpoint_ids"}
    return {name: value for name, value in state.items() if name not in theirs}


def test_nothing_listens() -> None:
    state = plan(CrmClient(f"http://127.0.0.1:{closed_port()}", token="t", patience=HURRY))

    assert state["workflow_status"] == "completed"
    assert state["final_blueprint"].startswith("# Wedding of Priya Sharma")
    assert [record["message_type"] for record in state["communications"]] == MESSAGES
    assert {record["status"] for record in state["communications"]} == {"not_sent"}
    assert all("was not reached" in (record["error"] or "") for record in state["communications"])
    assert "last_communication_at" not in state


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        pytest.param(says(500, b"<h1>Server Error</h1>"), "answered 500", id="500"),
        pytest.param(says(503, b"", Retry_After="0"), "answered 503", id="503"),
        pytest.param(says(503, b"", Retry_After="3600"), "answered 503", id="503 for an hour"),
        pytest.param(says(429, b"{}", Retry_After="soon"), "answered 429", id="429 with an odd wish"),
        pytest.param(says(302, b"", Location="http://127.0.0.1:1/"), "answered 302", id="redirect"),
        pytest.param(
            says(422, PROBLEM), "not valid. (client.email: Write it as name@example.com.)", id="refusal"
        ),
        pytest.param(
            says(422, {"detail": "No.", "errors": 7}), "answered 422: No.", id="refusal of odd shape"
        ),
        pytest.param(says(401, {"detail": "No."}), "answered 401", id="401"),
        pytest.param(says(202, b"<html>"), "cannot be read", id="HTML with 202"),
        pytest.param(says(202, b"\xff\xfe\x00"), "cannot be read", id="no text"),
        pytest.param(says(202, b"[" * 200_000), "cannot be read", id="deep JSON"),
        pytest.param(says(202, b"9" * 10_000), "cannot be read", id="huge number"),
        pytest.param(says(202, ["scheduled"]), "cannot be read", id="a list"),
        pytest.param(says(202, {"status": 7}), "cannot be read", id="status of another type"),
        pytest.param(says(202, b" " * 3_000_000), "cannot be read", id="3 MB of nothing"),
        pytest.param(speaks_no_http, "broke off", id="another protocol"),
        pytest.param(hangs_up, "broke off", id="hangs up"),
        pytest.param(breaks_off, "broke off", id="breaks off"),
        pytest.param(hangs, "did not answer in time", id="hangs"),
        pytest.param(
            drips(b"HTTP/1.1 202 Accepted\r\n", b"X-A: b\r\n"), "in time", id="drips headers for ever"
        ),
        pytest.param(drips(b"HTTP/1.1 202 Accepted\r\n\r\n", b" "), "in time", id="drips a body for ever"),
    ],
)
def test_the_workflow_ends_with_its_own_result(crm_that: CrmThat, behaviour: Behaviour, said: str) -> None:
    begun = time.monotonic()
    state = plan(CrmClient(crm_that(behaviour).url, token="t", patience=HURRY))

    assert time.monotonic() - begun < 10
    assert own_result(state) == own_result(plan(CrmClient(crm_that(accepts).url, token="t")))
    assert [record["message_type"] for record in state["communications"]] == MESSAGES
    for record in state["communications"]:
        assert record["status"] == "not_sent"
        assert record["communication_id"] is None
        assert said in (record["error"] or "")
    json.dumps(state)


def test_an_answer_with_odd_details_still_counts(crm_that: CrmThat) -> None:
    odd = {
        "status": "scheduled",
        "communication_id": 5,
        "scheduled_at": "99999-01-01",
        "strategy": {"reasons": [1, {}]},
    }
    state = plan(CrmClient(crm_that(says(202, odd)).url, token="t", patience=HURRY))

    assert state["communications"][0] == {
        "message_type": "welcome",
        "status": "scheduled",
        "communication_id": None,
        "channel": None,
        "scheduled_at": None,
        "sent_at": None,
        "duplicate": False,
        "reasons": [{"code": "", "text": ""}],
        "error": None,
    }
    assert "last_communication_at" not in state


def test_an_error_is_told_of_even_then(crm_that: CrmThat) -> None:
    state = plan(CrmClient(crm_that(says(503, b"")).url, token="t", patience=HURRY), number=3)

    assert state["workflow_status"] == "failed"
    assert state["error_message"].startswith("beam_search_node: no venue in Auckland")
    assert [record["message_type"] for record in state["communications"]] == [
        "welcome",
        "budget_summary",
        "error_notification",
    ]


@pytest.mark.parametrize(
    "failing", [says(503, b"", Retry_After="0"), says(429, b""), hangs_up], ids=["503", "429", "hangs up"]
)
def test_a_short_failure_is_got_over_with_the_same_key(crm_that: CrmThat, failing: Behaviour) -> None:
    crm = crm_that(fails_first(1, failing))

    state = plan(CrmClient(crm.url, token="t", patience=HURRY))

    assert {record["status"] for record in state["communications"]} == {"scheduled"}
    first, second = crm.of_type("welcome")
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert first.body == second.body


def test_a_refusal_is_not_repeated(crm_that: CrmThat) -> None:
    crm = crm_that(says(422, PROBLEM))

    plan(CrmClient(crm.url, token="t", patience=HURRY))

    assert len(crm.asked) == len(MESSAGES)


def test_a_crm_that_stays_away_costs_one_attempt_for_each_later_message(crm_that: CrmThat) -> None:
    crm = crm_that(says(503, b""))

    plan(CrmClient(crm.url, token="t", patience=HURRY))

    assert [len(crm.of_type(each)) for each in MESSAGES] == [HURRY.attempts, 1, 1, 1, 1]


def test_once_it_is_back_it_gets_all_attempts_again(crm_that: CrmThat) -> None:
    calls = iter([503, 503, 202, 503, 202, 202, 202])

    def behave(crm: CrmServer, asked: Asked, connection: socket.socket) -> Reply | None:
        return (accepts if next(calls) == 202 else says(503, b""))(crm, asked, connection)

    state = plan(CrmClient(crm_that(behave).url, token="t", patience=HURRY))

    statuses = [record["status"] for record in state["communications"]]
    assert statuses == ["not_sent", "scheduled", "scheduled", "scheduled", "scheduled"]


ACCOUNT = ServiceAccount("planning-agent", "the-secret")


def test_a_token_is_fetched_by_name_and_secret_and_renewed_when_it_ran_out(crm_that: CrmThat) -> None:
    valid = iter(["t1", "t1", "t2", "t2", "t2", "t2", "t2"])
    given = iter(["t1", "t2"])

    def behave(crm: CrmServer, asked: Asked, connection: socket.socket) -> Reply | None:
        if asked.path == "/api/crm/token":
            assert asked.body == {"name": "planning-agent", "secret": "the-secret"}
            return says(200, {"access": next(given), "expires_in": 1800})(crm, asked, connection)
        is_valid = asked.headers["Authorization"] == f"Bearer {next(valid)}"
        return (accepts if is_valid else says(401, {"detail": "It ran out."}))(crm, asked, connection)

    crm = crm_that(behave)
    state = plan(CrmClient(crm.url, account=ACCOUNT, patience=HURRY))

    assert {record["status"] for record in state["communications"]} == {"scheduled"}
    assert [asked.path for asked in crm.asked].count("/api/crm/token") == 2


@pytest.mark.parametrize(
    "behaviour",
    [says(401, {"detail": "Name or secret is wrong."}), says(200, {"access": 5}), says(200, b"?"), hangs_up],
    ids=["refused", "no text", "no JSON", "hangs up"],
)
def test_no_token_no_message_and_no_secret_in_the_state(crm_that: CrmThat, behaviour: Behaviour) -> None:
    state = plan(CrmClient(crm_that(behaviour).url, account=ACCOUNT, patience=HURRY))

    assert state["workflow_status"] == "completed"
    assert {record["status"] for record in state["communications"]} == {"not_sent"}
    assert "the-secret" not in json.dumps(state)
    assert "the-secret" not in repr(ACCOUNT)


def test_a_token_that_no_header_can_hold() -> None:
    state = plan(CrmClient(f"http://127.0.0.1:{closed_port()}", token="t\r\nX: y", patience=HURRY))

    assert {record["status"] for record in state["communications"]} == {"not_sent"}


@pytest.mark.parametrize("url", ["", "crm", "ftp://crm.example", "http://", "//crm.example"])
def test_an_address_that_cannot_work_is_refused_before_anything_runs(url: str) -> None:
    with pytest.raises(ValueError, match="Give the CRM's address"):
        CrmClient(url, token="t")


def test_credentials_are_asked_for() -> None:
    with pytest.raises(ValueError, match="Give an access token"):
        CrmClient("http://127.0.0.1:1")
