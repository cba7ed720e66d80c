"""Plans the events of the example clients and has them told: `python -m examples.planning_agent --help`."""

import argparse
import json
import os
from datetime import UTC, date, datetime

from examples.planning_agent.clients import CLIENTS
from examples.planning_agent.crm import CrmClient, ServiceAccount
from examples.planning_agent.graph import run_plan
from examples.planning_agent.state import PlanningState


def main() -> int:
    """0 when the workflows ended, however the CRM was."""
    parser = _parser()
    options = parser.parse_args()
    try:
        crm = _client(options)
    except ValueError as error:
        parser.error(str(error))
    chosen = CLIENTS if options.client is None else [CLIENTS[options.client - 1]]
    states = [
        run_plan(
            client.plan_request(options.today),
            crm,
            today=options.today,
            selects_rank=None if options.unanswered else client.selects_rank,
        )
        for client in chosen
    ]
    told = json.dumps({"plans": states}) if options.json else "\n\n".join(map(_summary, states))
    print(told)  # noqa: T201 - the program's result
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.planning_agent", description=__doc__)
    parser.add_argument("--url", required=True, help="the CRM's address, without /api/crm")
    parser.add_argument(
        "--token", help="an access token; better in CRM_API_TOKEN, which no process list shows"
    )
    parser.add_argument("--account", help="or a service account's name; its secret in CRM_API_SECRET")
    parser.add_argument("--client", type=int, choices=range(1, len(CLIENTS) + 1), help="only this client")
    parser.add_argument("--unanswered", action="store_true", help="no client chooses: stop at the options")
    parser.add_argument(
        "--today",
        type=date.fromisoformat,
        default=datetime.now(UTC).date(),
        help="the events lie ahead of it",
    )
    parser.add_argument("--json", action="store_true", help="the final states as one line of JSON")
    return parser


def _client(options: argparse.Namespace) -> CrmClient:
    account = None
    if options.account:
        account = ServiceAccount(options.account, os.environ.get("CRM_API_SECRET", ""))
    token = "" if account else options.token or os.environ.get("CRM_API_TOKEN", "")
    return CrmClient(options.url, token=token, account=account)


def _summary(state: PlanningState) -> str:
    request = state["request"]
    lines = [f"{request['client_name']}, {request['event_type']}: {state['workflow_status']}"]
    if state.get("error_occurred"):
        lines.append(f"  {state['error_message']}")
    for record in state["communications"]:
        outcome = (
            record["error"] if record["status"] == "not_sent" else record["scheduled_at"] or record["sent_at"]
        )
        again = ", a duplicate" if record["duplicate"] else ""
        lines.append(f"  {record['message_type']}: {record['status']}{again}, {outcome or 'no time'}")
    if state.get("pending_client_action"):
        lines.append(f"  waits for the client: {state['pending_client_action']}")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
