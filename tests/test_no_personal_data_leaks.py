"""No names, addresses, message text or tokens in logs, the broker, task arguments and rows of history (SEC-4)."""

import json

import pytest

from tests import traces
from tests.canaries import Canaries, exact_forms, find, folded_forms
from tests.canary_requests import Told
from tests.canary_troubles import STAGES
from tests.running_stack import COMMUNICATIONS, RunningStack

pytestmark = pytest.mark.stack

# Written with references only (engine.md §Personal data), apart from what pg_dump shows of every other table.
HISTORY = (
    "crm_audit_log",
    "crm_outbox",
    "crm_outbox_cursors",
    "crm_attention_items",
    "crm_heartbeats",
    "crm_idempotency_keys",
    "crm_service_accounts",
    "crm_delivery_events",
    "crm_delivery_logs",
    "django_admin_log",
    "django_session",
    "django_session (unpacked)",
    "django_celery_beat_periodictask",
)
PROCESSES = ("web", "worker", "scheduler", "sandbox", "postgres", "valkey")


def test_what_is_looked_for_would_be_found() -> None:
    """The search itself, in every form that it knows."""
    canaries = Canaries()
    for make in (canaries.text, canaries.name, canaries.email, canaries.phone, canaries.number):
        make("somewhere")
    for needle in canaries.everything:
        for form in (*folded_forms(needle), *exact_forms(needle)):
            assert find({needle: "it"}, {"place": b"before " + form + b" after"}), form
        assert find({needle: "it"}, {"place": needle.capitalize().encode()})
        assert not find({needle: "it"}, {"place": needle[:-1].encode()})


def test_every_request_got_the_answer_that_is_due(told: Told) -> None:
    """Bad input is refused, as a problem (RFC 9457), and nothing that anybody sends is an error of ours."""
    wrong = [
        f"{what}: {answer.status}, expected {sorted(expected)}: {answer.body[:300]!r}"
        for what, expected, answer in told.exchanges
        if answer.status not in expected
    ]
    assert wrong == []
    for what, _, answer in told.exchanges:
        if answer.status >= 400 and b'"instance": "/api/' in answer.body:
            assert answer.headers["Content-Type"] == "application/problem+json", what
            assert answer.json()["code"], what
            assert b"Traceback" not in answer.body, what


def test_every_stage_of_smtp_was_refused(told: Told) -> None:
    """So that the words of the server went all their ways: attempts, retries, failures, doubt."""
    attempts = [attempt for row in told.refused for attempt in row["attempts"]]

    assert len(told.refused) == 3 * len(STAGES) + 2
    assert {attempt["status"] for attempt in attempts} >= {"rejected", "unknown"}
    assert {attempt["outcome_class"] for attempt in attempts} >= {
        "transient",
        "recipient",
        "config",
        "ambiguous",
    }
    quoted = [row["error_message"] for row in told.refused if row["error_message"]]
    assert len(quoted) >= 12, "the API shows what the server said, so it was stored"


def test_logs_of_all_processes(stack: RunningStack, told: Told) -> None:
    found = traces.logs(stack)
    assert {f"logs/{name}.log" for name in PROCESSES} <= found.keys()
    web = found["logs/web.log"].decode()
    assert web.count('"route": "api/crm/communications"') > 200, "the requests are in the log"
    assert '"event": "unexpected error"' in web
    assert '"event": "database not available"' in web
    assert "all channels failed" in found["logs/worker.log"].decode()

    assert find(told.canaries.everything, found) == []


def test_other_files_of_the_state_folder(stack: RunningStack, told: Told) -> None:
    """The journal, the broker's append-only file, notes of run.py."""
    found = traces.files(stack)
    assert any(name.endswith(".aof") for name in found)
    assert any(name.startswith("journal/") for name in found)

    assert find(told.canaries.everything, found) == []


def test_the_journal_while_it_holds_outcomes(told: Told) -> None:
    """Of a mail that was taken while the database was away, and of one refused in words that quote people."""
    outcomes = {json.loads(line)["outcome_class"] for line in told.journal.splitlines()}
    assert outcomes == {"accepted", "recipient"}
    assert find(told.canaries.everything, {"journal": told.journal}) == []


def test_an_outcome_without_a_database_is_recorded_later_and_the_mail_not_repeated(told: Told) -> None:
    """REL-5, REL-6: the journal is replayed once the database is back."""
    assert told.survivor["status"] == "sent"
    assert told.survivor["mails"] == 1


def test_broker_and_cache(stack: RunningStack, told: Told) -> None:
    found = traces.broker(stack)
    assert any("crm:" in key for key in found), "the cache's keys are among them"

    assert find(told.canaries.everything, found) == []


def test_task_arguments(stack: RunningStack) -> None:
    """Tasks carry nothing at all: what is to be done stands in the database."""
    bodies = [json.loads(body) for body in traces.task_bodies(stack)]
    assert len(bodies) > 10

    assert [body[:2] for body in bodies if body[:2] != [[], {}]] == []


def test_rows_of_history(stack: RunningStack, told: Told) -> None:
    rows = traces.tables(traces.dump(stack))
    assert set(HISTORY) <= rows.keys()
    for table in (
        "crm_audit_log",
        "crm_outbox",
        "crm_attention_items",
        "crm_delivery_events",
        "django_session",
    ):
        assert rows[table].strip(), f"{table} is not empty, so there was something to look at"

    assert find(told.canaries.everything, {table: rows[table] for table in HISTORY}) == []


def test_secrets_and_tokens(stack: RunningStack, told: Told) -> None:
    """Of accounts that exist. `up` prints the token and the password for whoever started it, and only there."""
    assert len(told.credentials) >= 6
    places = traces.files(stack) | traces.broker(stack) | traces.tables(traces.dump(stack))
    for kept_by_design in ("run.py stdout", "secrets.json", "running.json", "django_session"):
        places.pop(kept_by_design)

    assert find(told.credentials, places) == []


def test_a_sane_request_id_is_kept_as_a_reference(stack: RunningStack) -> None:
    """What makes the headers' test worth something: a caller's own reference does reach the log."""
    answer = stack.api("GET", f"{COMMUNICATIONS}?limit=1", X_Request_Id="0f8fad5bd9cb469fa16570867728950e")

    assert answer.headers["X-Request-Id"] == "0f8fad5bd9cb469fa16570867728950e"
    assert b"0f8fad5bd9cb469fa16570867728950e" in traces.logs(stack)["logs/web.log"]
