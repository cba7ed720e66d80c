"""`run.py demo`: a request comes in over the API, a real e-mail goes out at the client's time, and
everything that was said about it is compared with what arrived.

Run again it goes on where it was: the requests are kept in the state folder and answered as duplicates.
"""

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from devstack import console
from devstack.api_client import ApiClient
from devstack.demo_clients import welcome_requests
from devstack.errors import StackError
from devstack.stack import Stack

KEPT = "demo"
COMMUNICATIONS = "/api/crm/communications"
WAITING = {"scheduled", "sending"}
SENT_WITHIN_SECONDS = 45.0
COMES_BY_ITSELF = timedelta(seconds=5)  # not worth moving the clock, which also shows whole seconds only


@dataclass(frozen=True)
class Sent:
    """One request of the demo with the communication that came of it, as the API tells it at the end."""

    request: dict[str, Any]
    duplicate: bool
    detail: dict[str, Any]


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
    out = sys.stderr if as_json else sys.stdout
    crm = ApiClient(stack.url, stack.token)
    clock = _DemoClock(stack)
    requests = _requests(stack, clock)
    accepted = [(request, crm.post(COMMUNICATIONS, request)) for request in requests]
    _pass_time(stack, crm, clock, [answer["communication_id"] for _, answer in accepted])
    sent = [
        Sent(request, bool(answer["duplicate"]), crm.get(f"{COMMUNICATIONS}/{answer['communication_id']}"))
        for request, answer in accepted
    ]
    listed = {request["client_id"]: _listed(crm, request["client_id"]) for request in requests}
    mails = ApiClient(stack.sandbox_url).get("/smtp/messages")
    addressees = {request["context"]["client_email"] for request in requests}
    mails = [mail for mail in mails if addressees & set(mail["to"])]
    problems = find_problems(sent, listed, mails, sender=stack.settings["SMTP_FROM_EMAIL"])
    for each in sent:
        print(_story(each), file=out)
    print(_closing(stack, len(sent), len(mails), problems), file=out, flush=True)
    if as_json:
        rows = [row for rows in listed.values() for row in rows]
        print(json.dumps(_totals(len(requests), rows, len(mails), problems)), flush=True)
    return 1 if problems else 0


def _requests(stack: Stack, clock: _DemoClock) -> list[dict[str, Any]]:
    """The same bodies in every run, because a repeat is told by what it says."""
    state = stack.supervisor.state
    kept: list[dict[str, Any]] | None = state.read(KEPT)
    if kept is None:
        kept = welcome_requests(clock.now().date())
        state.write(KEPT, kept)
    return kept


def _pass_time(stack: Stack, crm: ApiClient, clock: _DemoClock, identifiers: list[str]) -> None:
    """Moves the demo's clock from one due time to the next and waits at each until its message has gone."""
    progress = console.Progress("Letting the demo's time pass")
    details = [crm.get(f"{COMMUNICATIONS}/{identifier}") for identifier in identifiers]
    waiting = [detail for detail in details if detail["status"] in WAITING]
    for detail in sorted(waiting, key=lambda each: _instant(each["scheduled_at"])):
        due_at = _instant(detail["scheduled_at"])
        if due_at > clock.now() + COMES_BY_ITSELF:
            progress.show(f"to {due_at:%d %B %Y, %H:%M} UTC")
            clock.set("--to", due_at.isoformat())
        _wait_until_gone(stack, crm, detail["communication_id"])
    progress.end(f"{len(waiting)} messages became due" if waiting else "nothing was waiting")


def _wait_until_gone(stack: Stack, crm: ApiClient, identifier: str) -> None:
    """Returns when it waits no more or the time is up; the comparison tells what became of it."""
    deadline = time.monotonic() + SENT_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if crm.get(f"{COMMUNICATIONS}/{identifier}")["status"] not in WAITING:
            return
        stack.supervisor.pause(0.2)


def _listed(crm: ApiClient, client_id: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = crm.get(COMMUNICATIONS, client_id=client_id, limit=200)["communications"]
    return rows


def find_problems(
    sent: list[Sent], listed: dict[str, list[dict[str, Any]]], mails: list[dict[str, Any]], *, sender: str
) -> list[str]:
    """What does not agree between requests, rows and caught mails; nothing when all is well."""
    problems: list[str] = []
    explained: Counter[str] = Counter()
    for each in sent:
        client = each.request["client_id"]
        identifier = each.detail["communication_id"]
        # One that expired before it was sent is cancelled, and the request then gets a new one.
        live = [row["communication_id"] for row in listed[client] if row["status"] != "cancelled"]
        if live != [identifier]:
            problems.append(f"{client}: the API lists {len(live)} communications, expected its one.")
        if each.detail["status"] != "sent":
            problems.append(f"{client}: its communication is {each.detail['status']}, expected sent.")
        ours = {attempt["message_id"] for attempt in each.detail["attempts"] if attempt["message_id"]}
        matching = [mail for mail in mails if mail["message_id"] in ours]
        explained.update(mail["message_id"] for mail in matching)
        if len(matching) != 1:
            problems.append(
                f"{client}: {len(matching)} mails with our Message-ID arrived, expected exactly one."
            )
        for mail in matching:
            if mail["to"] != [each.request["context"]["client_email"]]:
                problems.append(f"{client}: the mail went to another address.")
            if mail["from"] != sender:
                problems.append(f"{client}: the mail does not come from {sender}.")
    strays = len(mails) - explained.total()
    if strays:
        problems.append(f"{strays} mails to the demo's clients have no communication of ours.")
    return problems


def _totals(requests: int, rows: list[dict[str, Any]], mails: int, problems: list[str]) -> dict[str, Any]:
    return {
        "ok": not problems,
        "requests": requests,
        "communications": len(rows),
        "by_status": dict(Counter(row["status"] for row in rows)),
        "by_channel": dict(Counter(row["channel"] for row in rows)),
        "smtp_received": mails,
        "problems": problems,
    }


def _story(each: Sent) -> str:
    """Three lines about one client, times in the client's own zone."""
    request, detail = each.request, each.detail
    zone = ZoneInfo(request["client"]["timezone"])
    at = detail["sent_at"] or detail["scheduled_at"]
    when = f"{_instant(at).astimezone(zone):%a %d %b %Y, %H:%M}" if at else "no time"
    reasons = " ".join(reason["text"] for reason in detail["strategy"]["reasons"])
    again = "  (asked for again: a duplicate, not sent again)" if each.duplicate else ""
    return (
        f"\n{request['context']['client_name']}, {request['context']['event_type']} in "
        f"{request['context']['location']}"
        f"{again}\n"
        f"  {request['message_type']} by {detail['channel']}: {detail['status']}, {when} {zone.key}\n"
        f"  {reasons}"
    )


def _closing(stack: Stack, requests: int, mails: int, problems: list[str]) -> str:
    verdict = (
        "All agree."
        if not problems
        else "\n".join(["These do not agree:", *(f"  {each}" for each in problems)])
    )
    return (
        f"\n{requests} requests, {mails} mails caught. {verdict}\n\n"
        f"Pages   {stack.url}/admin/   {stack.staff['username']} / {stack.staff['password']}\n"
        f"Mails   {stack.sandbox_url}/smtp/"
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
