from copy import deepcopy
from typing import Any

import pytest

from devstack.demo_checks import WORKFLOW, Arrived, Told, find_problems, story, totals

SENDER = "hello@planiva.example"
FAILED = ["welcome", "budget_summary", "error_notification"]


def plan_of(number: int, types: list[str]) -> dict[str, Any]:
    failed = types[-1] == "error_notification"
    return {
        "run_id": f"run-{number}",
        "request": {
            "client_id": f"client-{number}",
            "plan_id": f"plan-{number}",
            "client_name": "Priya Sharma",
            "client_email": f"priya-{number}@clients.example",
            "client_phone": f"+91981234567{number}",
            "event_type": "wedding",
            "location": "Jaipur, India",
            "timezone": "Asia/Kolkata",
        },
        "workflow_status": "failed" if failed else "completed",
        "error_occurred": failed,
        "error_message": "beam_search_node: no venue" if failed else "",
        "communications": [{"message_type": each} for each in types],
    }


def detail_of(name: str, message_type: str) -> dict[str, Any]:
    return {
        "communication_id": name,
        "message_type": message_type,
        "status": "sent",
        "channel": "email",
        "degraded": None if message_type == "welcome" else "template_missing",
        "sent_at": "2026-11-21T03:30:00Z",
        "scheduled_at": "2026-11-21T03:30:00Z",
        "strategy": {"reasons": [{"code": "c", "text": "E-mail goes first."}]},
        "attempts": [
            {
                "message_id": f"<{name}@planiva.example>",
                "provider_message_id": "",
                "delivery_status": "accepted",
            }
        ],
    }


def demo() -> dict[str, Any]:
    """Two workflows, one of them with an error; each message sent once, as API and catcher tell it."""
    told, listed, mails = [], {}, []
    for number, types in enumerate([WORKFLOW, FAILED]):
        plan = plan_of(number, types)
        rows = listed.setdefault(plan["request"]["client_id"], [])
        for message_type in types:
            name = f"{number}-{message_type}"
            detail = detail_of(name, message_type)
            told.append(Told(plan, message_type, detail))
            rows.append({"communication_id": name, "status": "sent", "channel": "email"})
            to = [plan["request"]["client_email"]]
            mails.append({"message_id": f"<{name}@planiva.example>", "from": SENDER, "to": to})
    text = {
        **detail_of("beside", "vendor_options"),
        "channel": "sms",
        "attempts": [{"message_id": "", "provider_message_id": "SM1", "delivery_status": "accepted"}],
    }
    plan = told[2].plan
    told.insert(3, Told(plan, "vendor_options", text, companion=True))
    listed["client-0"].append({"communication_id": "beside", "status": "sent", "channel": "sms"})
    texts = [{"provider_id": "SM1", "to": plan["request"]["client_phone"]}]
    return {"told": told, "listed": listed, "mails": mails, "texts": texts}


def problems(all_: dict[str, Any]) -> list[str]:
    arrived = Arrived(all_["mails"], all_["texts"])
    return find_problems(all_["told"], all_["listed"], arrived, sender=SENDER)


def test_no_problem_when_all_agree() -> None:
    assert problems(demo()) == []


def test_what_expired_and_was_asked_for_again_is_no_problem() -> None:
    all_ = demo()
    all_["listed"]["client-0"].append({"communication_id": "expired", "status": "cancelled"})

    assert problems(all_) == []


def lose_a_mail(all_: dict[str, Any]) -> None:
    all_["mails"].pop()


def send_twice(all_: dict[str, Any]) -> None:
    all_["mails"].append(deepcopy(all_["mails"][0]))


def send_a_stray(all_: dict[str, Any]) -> None:
    all_["mails"].append({**all_["mails"][0], "message_id": "<other@planiva.example>"})


def send_to_another(all_: dict[str, Any]) -> None:
    all_["mails"][0]["to"] = ["someone@else.example"]


def lose_a_text(all_: dict[str, Any]) -> None:
    all_["texts"].clear()


def text_a_stranger(all_: dict[str, Any]) -> None:
    all_["texts"].append({"provider_id": "SM2", "to": "+919800000000"})


def send_as_another(all_: dict[str, Any]) -> None:
    all_["mails"][0]["from"] = "someone@else.example"


def list_another_row(all_: dict[str, Any]) -> None:
    all_["listed"]["client-0"].append({"communication_id": "second", "status": "scheduled"})


def list_none(all_: dict[str, Any]) -> None:
    all_["listed"]["client-0"].clear()


def leave_in_doubt(all_: dict[str, Any]) -> None:
    all_["told"][0].detail["status"] = "in_doubt"


def fail_to_render(all_: dict[str, Any]) -> None:
    all_["told"][0].detail["degraded"] = "rendering_failed"


def refuse_one(all_: dict[str, Any]) -> None:
    plan = all_["told"][0].plan
    all_["told"][0] = Told(plan, "welcome", None, error="The CRM answered 422: no.")


def skip_a_step(all_: dict[str, Any]) -> None:
    all_["told"][0].plan["communications"].pop(1)


def never_end(all_: dict[str, Any]) -> None:
    all_["told"][0].plan["workflow_status"] = "awaiting_client"


def forget_the_error(all_: dict[str, Any]) -> None:
    all_["told"][-1].plan["communications"].pop()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lose_a_mail, "client-1, error_notification: 0 messages of ours arrived"),
        (lose_a_text, "client-0, vendor_options: 0 messages of ours arrived"),
        (text_a_stranger, "1 messages to the demo's clients have no communication"),
        (send_twice, "client-0, welcome: 2 messages of ours arrived"),
        (send_a_stray, "1 messages to the demo's clients have no communication"),
        (send_to_another, "went to another address"),
        (send_as_another, "does not come from"),
        (list_another_row, "client-0: the API lists 7 communications, expected these 6"),
        (list_none, "client-0: the API lists 0 communications"),
        (leave_in_doubt, "client-0, welcome: it is in_doubt, expected sent"),
        (fail_to_render, "its template failed"),
        (refuse_one, "client-0, welcome: it was not taken. The CRM answered 422: no."),
        (skip_a_step, "client-0: the workflow is completed and told of welcome, vendor_options"),
        (never_end, "client-0: the workflow is awaiting_client"),
        (forget_the_error, "client-1: the workflow is failed and told of welcome, budget_summary."),
    ],
)
def test_each_disagreement_is_named(spoil: Any, said: str) -> None:
    all_ = demo()
    spoil(all_)

    assert any(said in problem for problem in problems(all_)), problems(all_)


def test_the_story_names_channel_template_state_time_and_reason() -> None:
    told = [each for each in demo()["told"] if each.client == "client-1"]

    lines = story(told).splitlines()

    assert "  The workflow ended with an error: beam_search_node: no venue." in lines
    assert "  welcome by email: sent, Sat 21 Nov 2026, 09:00 Asia/Kolkata" in lines
    assert (
        "  budget_summary by email, by the general template: sent, Sat 21 Nov 2026, 09:00 Asia/Kolkata"
        in lines
    )
    assert "    E-mail goes first." in lines


def test_the_story_tells_repeats_earlier_runs_and_refusals_apart() -> None:
    first = demo()["told"][0]
    again = Told(first.plan, "welcome", first.detail, duplicate=True)
    before = Told(first.plan, "welcome", first.detail, earlier=True)
    refused = Told(first.plan, "welcome", None, error="The CRM answered 422: no.")

    text = story([again, before, refused])

    assert text.count("not sent again") == 1
    assert text.count("of an earlier run") == 1
    assert "  welcome: not taken\n    The CRM answered 422: no." in text


def test_totals_are_the_contract_of_the_json_line() -> None:
    all_ = demo()
    rows = [row for each in all_["listed"].values() for row in each]

    assert totals(all_["told"], rows, Arrived(all_["mails"], all_["texts"]), []) == {
        "ok": True,
        "requests": 8,
        "communications": 9,
        "by_status": {"sent": 9},
        "by_channel": {"email": 8, "sms": 1},
        "smtp_received": 8,
        "texts_received": 1,
        "problems": [],
    }
