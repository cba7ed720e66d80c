"""Requests with made-up personal data while the mail server refuses, or the database is not as it should be."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.canary_requests import Told, body_of
from tests.running_stack import COMMUNICATIONS, RunningStack, eventually, in_url

STAGES = ("connect", "mail", "rcpt", "data", "end_of_data")
REFUSALS = ((451, "4.3.0"), (550, "5.1.1"), (554, "5.7.1"))
_WAITING = {"scheduled", "sending"}


def smtp_refusals(stack: RunningStack, told: Told) -> None:
    """Every stage, temporary and final, in words that quote the recipient's address and the message."""
    sent = []
    for stage in STAGES:
        for code, enhanced in REFUSALS:
            c, where = told.canaries, f"refused at {stage} with {code}"
            soon = (datetime.now(UTC) + timedelta(seconds=40)).isoformat()
            body = body_of(c, where, deliver_by=soon)  # too soon for a retry that would meet later tests
            said = f"{enhanced} <{body['client']['email']}>: {c.word(where + ', reply')} {body['client']['phone']}"
            without_phone(body)  # no channel is left then
            with stack.catcher("refuse", code=code, stage=stage, text=said):
                answer = told.note(where, {202}, stack.api("POST", COMMUNICATIONS, body)).json()
                sent.append(_settled(stack, answer["communication_id"], lambda row: bool(row["attempts"])))
            stack.close_circuits()
    for mode in ("drop_before_data", "drop_after_data"):
        body = body_of(told.canaries, mode)
        with stack.catcher(mode):
            answer = told.note(mode, {202}, stack.api("POST", COMMUNICATIONS, body)).json()
            sent.append(_settled(stack, answer["communication_id"], lambda row: bool(row["attempts"])))
        stack.close_circuits()
    told.refused = sent


def without_phone(body: dict[str, Any]) -> None:
    del body["client"]["phone"], body["context"]["client_phone"], body["context"]["recipient_phone"]


def _settled(
    stack: RunningStack, identifier: str, also: Callable[[dict[str, Any]], bool] = lambda _: True
) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        answer = stack.api("GET", f"{COMMUNICATIONS}/{identifier}")
        if answer.status != 200:
            return None
        row = answer.json()
        calling = any(attempt["status"] == "calling" for attempt in row["attempts"])
        return row if row["status"] != "sending" and not calling and also(row) else None

    return eventually(look, what=f"The end of the call for {identifier}") or {}


def unexpected_errors(stack: RunningStack, told: Told) -> None:
    """A database that is not as it should be. PostgreSQL's errors quote the row that was refused."""
    c = told.canaries
    with stack.database() as sql, ExitStack() as mended:
        mended.callback(sql.execute, "ALTER TABLE crm_clients DROP CONSTRAINT leak_test")
        sql.execute("ALTER TABLE crm_clients ADD CONSTRAINT leak_test CHECK (length(name) < 0) NOT VALID")
        refused = body_of(c, "refused by the database")
        c.needles |= {
            word.lower(): "a name that was not stored" for word in refused["client"]["name"].split()
        }
        told.note("refused by the database", {500}, stack.api("POST", COMMUNICATIONS, refused))
    with stack.database() as sql, ExitStack() as mended:
        mended.callback(sql.execute, "ALTER TABLE crm_clients_away RENAME TO crm_clients")
        sql.execute("ALTER TABLE crm_clients RENAME TO crm_clients_away")
        path = f"{COMMUNICATIONS}?q={in_url(c.email('?q= in an error'))}"
        told.note("no table", {500}, stack.api("GET", path))
        told.note("no table", {500}, stack.api("POST", COMMUNICATIONS, body_of(c, "no table")))
    body = body_of(c, "refused and not recorded")
    said = f"5.1.1 <{body['client']['email']}>: {c.word('refused and not recorded, reply')}"
    with (
        stack.database() as sql,
        ExitStack() as mended,
        stack.catcher("refuse", code=550, stage="rcpt", text=said),
    ):
        mended.callback(sql.execute, "ALTER TABLE crm_delivery_logs DROP CONSTRAINT leak_test")
        sql.execute(
            "ALTER TABLE crm_delivery_logs ADD CONSTRAINT leak_test CHECK (error_message IS NULL) NOT VALID"
        )
        stack.request(body)
        told.journal += eventually(lambda: _journal(stack), what="A line in the journal")


@contextmanager
def _a_call_that_waits(stack: RunningStack, body: dict[str, Any]) -> Iterator[str]:
    """The catcher has the mail and answers some seconds later, inside the block."""
    with stack.catcher("delay", seconds=3):
        identifier = stack.request(body)["communication_id"]
        eventually(lambda: stack.mails_to(body["client"]["email"]), what="The mail")
        yield identifier


def database_outage(stack: RunningStack, told: Told) -> None:
    """Requests while there is no database, and a call whose outcome goes to the journal meanwhile."""
    c, body = told.canaries, body_of(told.canaries, "recorded without a database")
    with _a_call_that_waits(stack, body) as identifier, stack.database_away():
        lost = body_of(c, "asked without a database")
        told.note("without a database", {202, 503}, stack.api("POST", COMMUNICATIONS, lost))
        path = f"{COMMUNICATIONS}?q={in_url(c.email('?q= without a database'))}"
        told.note("without a database", {503}, stack.api("GET", path))
        waits = identifier.encode()
        eventually(lambda: waits in _journal(stack), what="A line in the journal")
        told.journal += _journal(stack)
    eventually(lambda: _answers_again(stack), seconds=60, what="Recovery from the outage")
    row = _settled(stack, identifier, lambda found: found["status"] not in _WAITING)
    told.survivor = row | {"mails": len(stack.mails_to(body["client"]["email"]))}


def _answers_again(stack: RunningStack) -> bool:
    """Every web process has connections of its own to win back."""
    calls = (stack.api("GET", f"{COMMUNICATIONS}?limit=1") for _ in range(20))
    return stack.is_healthy() and all(call.status == 200 for call in calls)


def _journal(stack: RunningStack) -> bytes:
    """What waits to be stored, and what was set aside because it could not be."""
    return b"".join(path.read_bytes() for path in (stack.state / "journal").iterdir() if path.is_file())
