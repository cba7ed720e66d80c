"""`run.py demo`: a planning agent's workflow asks over the API for messages, real e-mails go out at the clients'
times, and everything that was said about them is compared with what arrived.

Run again it goes on where it was: the workflow plans the same, and what it asks for is answered as duplicates.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from devstack import console
from devstack.api_client import ApiClient
from devstack.demo_checks import Arrived, Told, find_problems, story, totals
from devstack.errors import StackError
from devstack.program import TIER_TASK, Program
from devstack.project_settings import inherited
from devstack.stack import Stack
from devstack.supervisor import ROOT

KEPT = "planning-demo"
COMMUNICATIONS = "/api/crm/communications"
WAITING = {"scheduled", "sending"}
SENT_WITHIN_SECONDS = 45.0
ONE_MORNING = timedelta(
    hours=2
)  # far less than any window stays open, so nothing that is due in it is missed
COMES_BY_ITSELF = timedelta(seconds=5)  # not worth moving the clock, which also shows whole seconds only


class _DemoClock:
    """The installation's clock, asked once: it goes as fast as ours, with an offset."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.set()

    def set(self, *arguments: str) -> None:
        """Runs `demo_clock` and learns the time that it shows."""
        shown = _instant(self._stack.manage("demo_clock", *arguments).splitlines()[-1])
        self._offset = shown - datetime.now(UTC)

    def now(self) -> datetime:
        """Right to a few seconds."""
        return datetime.now(UTC) + self._offset


def run_demo(stack: Stack, *, as_json: bool) -> int:
    """Runs the workflow, prints what came of it, and returns 0 when all agrees, else 1."""
    if f"{stack.settings.get('SMTP_HOST')}:{stack.settings.get('SMTP_PORT')}" != stack.smtp:
        raise StackError(
            "The demo writes to made-up people and counts what its own mail catcher gets. "
            "Unset SMTP_HOST, SMTP_PORT and EMAIL_PROVIDER for it."
        )
    if stack.settings.get("TWILIO_API_BASE_URL") != stack.twilio_url:
        raise StackError(
            "The demo writes to made-up people and counts what arrives on its own phones. "
            "Unset TWILIO_ACCOUNT_SID and TWILIO_API_BASE_URL for it."
        )
    out = sys.stderr if as_json else sys.stdout
    crm = ApiClient(stack.url, stack.token)
    clock = _DemoClock(stack)
    plans, earlier = _plan(stack, crm, clock)
    listed = {plan["request"]["client_id"]: _listed(crm, plan["request"]["client_id"]) for plan in plans}
    _pass_time(stack, crm, clock, [row for rows in listed.values() for row in rows])
    listed = {client: _listed(crm, client) for client in listed}
    asked = [each for plan in plans for each in _told(crm, plan, earlier)]
    told = [message for each in asked for message in (each, *_companions(crm, each, listed))]
    arrived = _arrived(ApiClient(stack.sandbox_url), [plan["request"] for plan in plans])
    problems = find_problems(told, listed, arrived, sender=stack.settings["SMTP_FROM_EMAIL"])
    for plan in plans:
        print(story([each for each in told if each.plan is plan]), file=out)
    print(_closing(stack, len(asked), arrived, problems), file=out, flush=True)
    if as_json:
        rows = [row for each in listed.values() for row in each]
        print(json.dumps(totals(told, rows, arrived, problems)), flush=True)
    return 1 if problems else 0


def _plan(stack: Stack, crm: ApiClient, clock: _DemoClock) -> tuple[list[dict[str, Any]], list[str]]:
    """The final states of the planning agent, and all communications that any run asked for.

    It runs twice, as the real one does when a client selects: first to the options, and, once these have gone out,
    with the clients' choices. Nobody chooses among what they have not been sent; a choice closes such a question.

    The day that the plans count from is kept: in every run they are the same plans. What was asked for is kept
    too, because an error may be told again another day (engine.md §Idempotency).
    """
    state = stack.supervisor.state
    kept = state.read(KEPT) or {"today": clock.now().date().isoformat(), "communications": []}
    state.write(KEPT, kept)
    presented = _run_planning_agent(stack, "Planning four events", kept["today"], "--unanswered")
    rows = [row for plan in presented for row in _listed(crm, plan["request"]["client_id"])]
    _pass_time(stack, crm, clock, rows)
    plans = _run_planning_agent(stack, "Going on with the clients' choices", kept["today"])
    first = {record["communication_id"]: record for plan in presented for record in plan["communications"]}
    for plan in plans:
        # What the second run repeats is told as the first one asked for it.
        plan["communications"] = [
            first.get(record["communication_id"], record) for record in plan["communications"]
        ]
    records = [record for plan in plans for record in plan["communications"]]
    asked = [record["communication_id"] for record in records if record["communication_id"]]
    kept["communications"] = list(dict.fromkeys([*kept["communications"], *asked]))
    state.write(KEPT, kept)
    return plans, kept["communications"]


def _run_planning_agent(stack: Stack, title: str, today: str, *options: str) -> list[dict[str, Any]]:
    """Another program, as it would be anywhere: it knows the API's address and has a token."""
    progress = console.Progress(title)
    argv = [str(stack.environment.python), "-m", "examples.planning_agent"]
    argv += ["--url", stack.url, "--today", today, "--json", *options]
    env = {**inherited(), "CRM_API_TOKEN": stack.token}
    ended = stack.supervisor.run(Program("planning-agent", argv, env, ROOT, tier=TIER_TASK))
    try:
        plans: list[dict[str, Any]] = json.loads(ended.output.splitlines()[-1])["plans"]
    except (IndexError, ValueError):
        raise StackError(
            f"The planning agent ended with exit code {ended.code} and no result:\n{ended.output}"
        ) from None
    progress.end("done")
    return plans


def _pass_time(stack: Stack, crm: ApiClient, clock: _DemoClock, rows: Sequence[dict[str, Any]]) -> None:
    """Moves the demo's clock from one morning to the next and waits in each until its messages have gone."""
    progress = console.Progress("Letting the demo's time pass")
    waiting = [row for row in rows if row["status"] in WAITING]
    due_times = sorted(_instant(row["scheduled_at"]) for row in waiting)
    for row in sorted(waiting, key=lambda each: _instant(each["scheduled_at"])):
        due_at = _instant(row["scheduled_at"])
        if due_at > clock.now() + COMES_BY_ITSELF:
            stop = max(each for each in due_times if each <= due_at + ONE_MORNING)
            progress.show(f"to {stop:%d %B %Y, %H:%M} UTC")
            clock.set("--to", stop.isoformat())
        _wait_until_gone(stack, crm, row["communication_id"])
    progress.end(f"{len(waiting)} messages became due" if waiting else "nothing was waiting")


def _wait_until_gone(stack: Stack, crm: ApiClient, identifier: str) -> None:
    """Returns when it waits no more or the time is up; the comparison tells what became of it."""
    deadline = time.monotonic() + SENT_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if crm.get(f"{COMMUNICATIONS}/{identifier}")["status"] not in WAITING:
            return
        stack.supervisor.pause(0.2)


def _told(crm: ApiClient, plan: dict[str, Any], earlier: list[str]) -> list[Told]:
    """Each message of this run, then those that only an earlier one asked for and that were not cancelled."""
    told, asked = [], set()
    for record in plan["communications"]:
        identifier, error = record["communication_id"], record["error"] or ""
        detail = _detail(crm, identifier) if identifier else None
        told.append(Told(plan, record["message_type"], detail, error=error, duplicate=record["duplicate"]))
        asked.add(identifier)
    for identifier in earlier:
        detail = None if identifier in asked else _detail(crm, identifier)
        if detail and detail["plan_id"] == plan["request"]["plan_id"] and detail["status"] != "cancelled":
            told.append(Told(plan, detail["message_type"], detail, earlier=True))
    return told


def _companions(crm: ApiClient, primary: Told, listed: dict[str, list[dict[str, Any]]]) -> list[Told]:
    """What went beside it by other channels, for the same request."""
    if primary.detail is None:
        return []
    known = primary.detail
    beside = [
        row["communication_id"]
        for row in listed[primary.client]
        if row["request_id"] == known["request_id"]
        and row["communication_id"] != known["communication_id"]
        and row["status"] != "cancelled"
    ]
    return [replace(primary, detail=_detail(crm, identifier), companion=True) for identifier in beside]


def _arrived(sandbox: ApiClient, clients: Sequence[dict[str, Any]]) -> Arrived:
    """What the sandbox has for the demo's clients, of all that it may have caught."""
    addresses = {client["client_email"] for client in clients}
    numbers = {client.get("client_phone") for client in clients}
    mails = [mail for mail in sandbox.get("/smtp/messages") if addresses & set(mail["to"])]
    texts = [text for text in sandbox.get("/twilio/messages") if text["to"] in numbers]
    return Arrived(mails, texts)


def _detail(crm: ApiClient, identifier: str) -> dict[str, Any] | None:
    """None for one that this database does not know."""
    answer = crm.request("GET", f"{COMMUNICATIONS}/{identifier}")
    return answer.body if answer.status == HTTPStatus.OK else None


def _listed(crm: ApiClient, client_id: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = crm.get(COMMUNICATIONS, client_id=client_id, limit=200)["communications"]
    return rows


def _closing(stack: Stack, requests: int, arrived: Arrived, problems: list[str]) -> str:
    verdict = (
        "All agree."
        if not problems
        else "\n".join(["These do not agree:", *(f"  {each}" for each in problems)])
    )
    return (
        f"\n{requests} requests, {len(arrived.mails)} mails and {len(arrived.texts)} text messages caught. "
        f"{verdict}\n\n"
        f"Pages   {stack.url}/   {stack.staff['username']} / {stack.staff['password']}\n"
        f"Mails   {stack.sandbox_url}/smtp/\n"
        f"Phones  {stack.sandbox_url}/phone/"
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
