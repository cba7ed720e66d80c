"""What the demo says about a run of the planning agent: whether API, planning agent and mail catcher agree, and the
story of every message."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

WORKFLOW = ["welcome", "budget_summary", "vendor_options", "selection_confirmation", "blueprint_delivery"]
ERROR = "error_notification"
TEMPLATE_MISSING = "template_missing"
RENDERING_FAILED = "rendering_failed"
# What a message may be once it has left us: a provider may have told more since.
ARRIVED = {"sent", "delivered", "opened", "clicked", "responded"}


@dataclass(frozen=True)
class Told:
    """One message to the client of `plan` (the planning agent's final state), as the API tells it at the end.

    `detail` is None for one that the CRM did not take; `error` then says what the planning agent was answered.
    `earlier`: only an earlier run asked for it. `companion`: it went beside the message that was asked for.
    """

    plan: dict[str, Any]
    message_type: str
    detail: dict[str, Any] | None
    error: str = ""
    duplicate: bool = False
    earlier: bool = False
    companion: bool = False

    @property
    def client(self) -> str:
        return str(self.plan["request"]["client_id"])


@dataclass(frozen=True)
class Arrived:
    """What reached the demo's clients, as the sandbox lists it."""

    mails: list[dict[str, Any]]
    texts: list[dict[str, Any]]

    def of(self, detail: dict[str, Any]) -> list[dict[str, Any]]:
        """What came of this communication, by the ids that its attempts have at the providers."""
        ours = {attempt["message_id"] for attempt in detail["attempts"] if attempt["message_id"]}
        theirs = {
            attempt["provider_message_id"] for attempt in detail["attempts"] if attempt["provider_message_id"]
        }
        return [mail for mail in self.mails if mail["message_id"] in ours] + [
            text for text in self.texts if text["provider_id"] in theirs
        ]


def find_problems(
    told: list[Told], listed: dict[str, list[dict[str, Any]]], arrived: Arrived, *, sender: str
) -> list[str]:
    """What does not agree between planning agent, rows, caught mails and phones; nothing when all is well. `listed`
    holds the API's rows by client."""
    problems = [
        *_workflow_problems([each.plan for each in told]),
        *_row_problems(told, listed),
    ]
    explained = 0
    for each in told:
        if each.detail is None:
            problems.append(f"{each.client}, {each.message_type}: it was not taken. {each.error}")
            continue
        matching = arrived.of(each.detail)
        explained += len(matching)
        problems += _message_problems(each, each.detail, matching, sender)
    strays = len(arrived.mails) + len(arrived.texts) - explained
    if strays:
        problems.append(f"{strays} messages to the demo's clients have no communication of ours.")
    return problems


def _workflow_problems(plans: list[dict[str, Any]]) -> list[str]:
    """Each workflow has to have had its own end, and to have told of each step."""
    problems = []
    for plan in {plan["run_id"]: plan for plan in plans}.values():
        types = [record["message_type"] for record in plan["communications"]]
        failed = plan["workflow_status"] == "failed"
        complete = [*WORKFLOW[: len(types) - 1], ERROR] if failed else WORKFLOW
        if types != complete or (not failed and plan["workflow_status"] != "completed"):
            problems.append(
                f"{plan['request']['client_id']}: the workflow is {plan['workflow_status']} and told of "
                f"{', '.join(types) or 'nothing'}."
            )
    return problems


def _row_problems(told: list[Told], listed: dict[str, list[dict[str, Any]]]) -> list[str]:
    """One that expired before it was sent is cancelled, and asking again makes a new one: cancelled ones aside,
    the API has to list what was asked for and nothing else."""
    problems = []
    for client, rows in listed.items():
        live = sorted(row["communication_id"] for row in rows if row["status"] != "cancelled")
        asked = sorted(
            each.detail["communication_id"] for each in told if each.detail and each.client == client
        )
        if live != asked:
            problems.append(
                f"{client}: the API lists {len(live)} communications, expected these {len(asked)}."
            )
    return problems


def _message_problems(
    each: Told, detail: dict[str, Any], matching: list[dict[str, Any]], sender: str
) -> list[str]:
    what, problems = f"{each.client}, {each.message_type}", []
    if detail["status"] not in ARRIVED:
        problems.append(f"{what}: it is {detail['status']}, expected sent.")
    if detail["degraded"] == RENDERING_FAILED:
        problems.append(f"{what}: its template failed, so it went out as plain text.")
    if len(matching) != 1:
        problems.append(f"{what}: {len(matching)} messages of ours arrived, expected exactly one.")
    client, by_email = each.plan["request"], detail["channel"] == "email"
    for message in matching:
        if message["to"] != ([client["client_email"]] if by_email else client["client_phone"]):
            problems.append(f"{what}: it went to another address.")
        if by_email and message["from"] != sender:
            problems.append(f"{what}: the mail does not come from {sender}.")
    return problems


def totals(
    told: list[Told], rows: list[dict[str, Any]], arrived: Arrived, problems: list[str]
) -> dict[str, Any]:
    """The contract of `run.py demo --json`."""
    return {
        "ok": not problems,
        "requests": sum(not each.companion for each in told),
        "communications": len(rows),
        "by_status": dict(Counter(row["status"] for row in rows)),
        "by_channel": dict(Counter(row["channel"] for row in rows)),
        "smtp_received": len(arrived.mails),
        "texts_received": len(arrived.texts),
        "problems": problems,
    }


def story(told: list[Told]) -> str:
    """One client's plan and each of its messages, times in the client's own zone."""
    request, state = told[0].plan["request"], told[0].plan
    how = f"ended with an error: {state['error_message']}" if state.get("error_occurred") else "completed"
    heading = (
        f"\n{request['client_name']}, {request['event_type']} in {request['location']}\n  The workflow {how}."
    )
    return "\n".join([heading, *(_line(each, ZoneInfo(request["timezone"])) for each in told)])


def _line(each: Told, zone: ZoneInfo) -> str:
    detail = each.detail
    if detail is None:
        return f"  {each.message_type}: not taken\n    {each.error}"
    at = detail["sent_at"] or detail["scheduled_at"]
    when = f"{datetime.fromisoformat(at).astimezone(zone):%a %d %b %Y, %H:%M}" if at else "no time"
    template = ", by the general template" if detail["degraded"] == TEMPLATE_MISSING else ""
    remark = "  (asked for again: a duplicate, not sent again)" if each.duplicate else ""
    remark = "  (of an earlier run)" if each.earlier else remark
    if each.companion:
        return f"    beside it by {detail['channel']}{template}: {detail['status']}, {when} {zone.key}"
    reasons = " ".join(reason["text"] for reason in detail["strategy"]["reasons"])
    return (
        f"  {each.message_type} by {detail['channel']}{template}: {detail['status']}, {when} {zone.key}{remark}\n"
        f"    {reasons}"
    )
