from copy import deepcopy
from datetime import date
from typing import Any

import pytest

from devstack.demo import Sent, find_problems
from devstack.demo_clients import welcome_requests

SENDER = "hello@planiva.example"


def story() -> dict[str, Any]:
    """Four requests, each sent once, as API and catcher tell it."""
    sent, listed, mails = [], {}, []
    for number, request in enumerate(welcome_requests(date(2026, 11, 21))):
        identifier, message_id = f"communication-{number}", f"<{number}@planiva.example>"
        attempts = [{"message_id": message_id, "delivery_status": "accepted"}]
        detail = {"communication_id": identifier, "status": "sent", "attempts": attempts}
        sent.append(Sent(request, False, detail))
        listed[request["client_id"]] = [{"communication_id": identifier, "status": "sent"}]
        mails.append({"message_id": message_id, "from": SENDER, "to": [request["context"]["client_email"]]})
    return {"sent": sent, "listed": listed, "mails": mails}


def problems(told: dict[str, Any]) -> list[str]:
    return find_problems(told["sent"], told["listed"], told["mails"], sender=SENDER)


def test_no_problem_when_all_agree() -> None:
    assert problems(story()) == []


def test_four_clients_in_four_zones_with_events_ahead() -> None:
    requests = welcome_requests(date(2026, 11, 21))

    assert len({request["client"]["timezone"] for request in requests}) == 4
    assert len({(request["client_id"], request["plan_id"]) for request in requests}) == 4
    assert all(
        date.fromisoformat(request["context"]["event_date"]) > date(2027, 1, 1) for request in requests
    )


def lose_a_mail(told: dict[str, Any]) -> None:
    told["mails"].pop()


def send_twice(told: dict[str, Any]) -> None:
    told["mails"].append(deepcopy(told["mails"][0]))


def send_a_stray(told: dict[str, Any]) -> None:
    told["mails"].append({**told["mails"][0], "message_id": "<other@planiva.example>"})


def send_to_another(told: dict[str, Any]) -> None:
    told["mails"][0]["to"] = ["someone@else.example"]


def send_as_another(told: dict[str, Any]) -> None:
    told["mails"][0]["from"] = "someone@else.example"


def list_another_row(told: dict[str, Any]) -> None:
    told["listed"]["demo-client-priya"].append({"communication_id": "second", "status": "scheduled"})


def leave_in_doubt(told: dict[str, Any]) -> None:
    told["sent"][0].detail["status"] = "in_doubt"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lose_a_mail, "0 mails with our Message-ID"),
        (send_twice, "2 mails with our Message-ID"),
        (send_a_stray, "1 mails to the demo's clients have no communication"),
        (send_to_another, "went to another address"),
        (send_as_another, "does not come from"),
        (list_another_row, "lists 2 communications"),
        (leave_in_doubt, "is in_doubt, expected sent"),
    ],
)
def test_each_disagreement_is_named(spoil: Any, said: str) -> None:
    told = story()
    spoil(told)

    assert any(said in problem for problem in problems(told)), problems(told)
