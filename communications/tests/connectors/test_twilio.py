"""The Twilio connector over real HTTP to the sandbox: each outcome class, and what can be told apart (MSG-4)."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communications.choices import OutcomeClass
from communications.connectors.base import OutgoingMessage
from communications.connectors.twilio.codes import CODES, class_of_receipt, classify
from communications.connectors.twilio.connector import TwilioConnector, TwilioSettings
from communications.tests.connectors.servers import answers, drips, hangs_up, http_answer, serving
from sandbox.credentials import TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_PHONE_NUMBER
from sandbox.testing import Sandbox

PRIYA = "+919812345678"


@contextmanager
def connected(url: str, **options: Any) -> Iterator[TwilioConnector]:
    limit = options.pop("call_limit_seconds", 10.0)
    settings = {
        "account_sid": TWILIO_ACCOUNT_SID,
        "auth_token": TWILIO_AUTH_TOKEN,
        "sender": TWILIO_PHONE_NUMBER,
    }
    connector = TwilioConnector(
        TwilioSettings(**(settings | options), base_url=url), call_limit_seconds=limit
    )
    try:
        yield connector
    finally:
        connector.close()


@pytest.fixture
def twilio(sandbox: Sandbox) -> Iterator[Sandbox]:
    sandbox.clear_texts()
    sandbox.behave_as("twilio", "accept")
    yield sandbox
    sandbox.behave_as("twilio", "accept")


@pytest.fixture
def connector(twilio: Sandbox) -> Iterator[TwilioConnector]:
    with connected(twilio.urls["twilio"]) as made:
        yield made


def a_text(text: str = "Hello.", to: str = PRIYA) -> OutgoingMessage:
    return OutgoingMessage(uuid4(), "", "", to, text.encode())


def test_an_accepted_text_arrives_as_it_was(twilio: Sandbox, connector: TwilioConnector) -> None:
    text = "Zoë & Ömer: 50 % = ₹1,00,000? “Ja” {x}\nhttps://planiva.example/s/a+b?c=d"
    outcome = connector.send(a_text(text))
    (arrived,) = twilio.texts("twilio")
    assert outcome.outcome_class is OutcomeClass.ACCEPTED
    assert (arrived["provider_id"], arrived["text"]) == (outcome.provider_message_id, text)
    assert (arrived["from"], arrived["to"]) == (TWILIO_PHONE_NUMBER, PRIYA)


def test_the_attempt_stands_in_the_address_of_the_callbacks(twilio: Sandbox) -> None:
    message = a_text()
    hook = "https://crm.example.com/api/crm/webhooks/twilio"
    with connected(twilio.urls["twilio"], status_callback_url=hook) as connector:
        assert connector.send(message).outcome_class is OutcomeClass.ACCEPTED
    (arrived,) = twilio.texts("twilio")
    told = urlsplit(arrived["fields"]["StatusCallback"])
    assert parse_qs(told.query) == {"attempt": [str(message.attempt_id)]}


def test_a_messaging_service_may_stand_for_the_sender(twilio: Sandbox) -> None:
    with connected(twilio.urls["twilio"], sender="MG" + "0" * 32) as connector:
        assert connector.send(a_text()).outcome_class is OutcomeClass.ACCEPTED
    (arrived,) = twilio.texts("twilio")
    assert "From" not in arrived["fields"]


@pytest.mark.parametrize(("code", "expected"), sorted(CODES.items()))
def test_every_code_has_its_class_over_http(
    twilio: Sandbox, connector: TwilioConnector, code: int, expected: OutcomeClass
) -> None:
    twilio.behave_as("twilio", "error", code=code, receipt=False, count=1)
    outcome = connector.send(a_text())
    assert (outcome.outcome_class, outcome.code) == (expected, str(code))
    assert twilio.texts("twilio") == []


@pytest.mark.parametrize(
    ("options", "to", "text", "code"),
    [
        pytest.param({"auth_token": "wrong"}, PRIYA, "x", "20003", id="wrong token"),
        pytest.param({"account_sid": "AC" + "f" * 32}, PRIYA, "x", "20003", id="foreign account"),
        pytest.param({"sender": "+15005550001"}, PRIYA, "x", "21606", id="foreign sender"),
        pytest.param({}, "12345", "x", "21211", id="no number"),
        pytest.param({}, PRIYA, "x" * 1601, "21617", id="too long"),
        pytest.param({}, PRIYA, "", "21602", id="no text"),
        pytest.param({"status_callback_url": "nonsense"}, PRIYA, "x", "21609", id="no address"),
    ],
)
def test_the_stand_in_is_strict(
    twilio: Sandbox, options: dict[str, Any], to: str, text: str, code: str
) -> None:
    with connected(twilio.urls["twilio"], **options) as connector:
        outcome = connector.send(a_text(text, to))
    assert outcome.code == code
    assert twilio.texts("twilio") == []


def test_twilio_s_own_trouble_is_unsure_and_a_rate_is_not(
    twilio: Sandbox, connector: TwilioConnector
) -> None:
    """Trap 2: 20500 and 20503 may come after the message was taken; 20429 is always safe to repeat."""
    for code, expected in ((20500, OutcomeClass.AMBIGUOUS), (20503, OutcomeClass.AMBIGUOUS)):
        twilio.behave_as("twilio", "error", code=code)
        assert connector.send(a_text()).outcome_class is expected
    twilio.behave_as("twilio", "error", code=20429)
    outcome = connector.send(a_text())
    assert outcome.outcome_class is OutcomeClass.RATE_LIMITED
    assert outcome.retry_after is not None
    assert outcome.retry_after.total_seconds() == 2


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, OutcomeClass.CONTENT),
        (401, OutcomeClass.CONFIG),
        (404, OutcomeClass.CONFIG),
        (408, OutcomeClass.TRANSIENT),
        (429, OutcomeClass.RATE_LIMITED),
        (500, OutcomeClass.AMBIGUOUS),
        (502, OutcomeClass.AMBIGUOUS),
        (503, OutcomeClass.AMBIGUOUS),
        (504, OutcomeClass.AMBIGUOUS),
    ],
)
def test_a_bare_status_goes_by_its_kind(
    twilio: Sandbox, connector: TwilioConnector, status: int, expected: OutcomeClass
) -> None:
    twilio.behave_as("twilio", "error", code=status, count=1)
    outcome = connector.send(a_text())
    assert (outcome.outcome_class, outcome.code) == (expected, f"http {status}")


def test_a_5xx_with_twilio_s_own_object_is_a_refusal() -> None:
    body = json.dumps({"code": 29999, "message": "no", "status": 500}).encode()
    with serving(answers(http_answer(500, body))) as url, connected(url) as connector:
        assert connector.send(a_text()).outcome_class is OutcomeClass.TRANSIENT


def test_unreachable_is_sure_and_back_again_works(twilio: Sandbox, connector: TwilioConnector) -> None:
    assert connector.send(a_text()).outcome_class is OutcomeClass.ACCEPTED
    twilio.behave_as("twilio", "unreachable")
    outcome = connector.send(a_text())
    assert (outcome.outcome_class, outcome.code) == (OutcomeClass.TRANSIENT, "ConnectError")
    twilio.behave_as("twilio", "accept")
    assert connector.send(a_text()).outcome_class is OutcomeClass.ACCEPTED
    assert len(twilio.texts("twilio")) == 2


def test_no_answer_is_no_failure(twilio: Sandbox) -> None:
    twilio.behave_as("twilio", "hang")
    with connected(twilio.urls["twilio"], call_limit_seconds=0.5) as connector:
        assert connector.send(a_text()).outcome_class is OutcomeClass.AMBIGUOUS
    assert len(twilio.texts("twilio")) == 1


def test_an_answer_within_the_limit_may_be_late(twilio: Sandbox, connector: TwilioConnector) -> None:
    twilio.behave_as("twilio", "late", seconds=0.3)
    assert connector.send(a_text()).outcome_class is OutcomeClass.ACCEPTED


@pytest.mark.parametrize("serve", [drips, hangs_up], ids=["drips", "hangs up"])
def test_lost_after_the_request_left_is_ambiguous(serve: Any) -> None:
    with serving(serve) as url, connected(url, call_limit_seconds=0.5) as connector:
        assert connector.send(a_text()).outcome_class is OutcomeClass.AMBIGUOUS


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'{"sid": 7}', b'{"sid": ""}', b"\xff\xfe", b'"x"']
)
def test_a_success_that_names_no_message_is_ambiguous(body: bytes) -> None:
    with serving(answers(http_answer(201, body))) as url, connected(url) as connector:
        assert connector.send(a_text()).outcome_class is OutcomeClass.AMBIGUOUS


@pytest.mark.parametrize("body", [b'{"code": "x"}', b'{"code": true}', b'{"message": 7}', b"[1]", b"{"])
def test_a_refusal_that_makes_no_sense_goes_by_its_status(body: bytes) -> None:
    with serving(answers(http_answer(400, body))) as url, connected(url) as connector:
        assert connector.send(a_text()).outcome_class is OutcomeClass.CONTENT


@given(st.integers(100, 999), st.none() | st.integers(-(10**9), 10**9))
def test_unknown_codes_never_crash(status: int, code: int | None) -> None:
    outcome = classify(status, code)
    assert outcome is not OutcomeClass.ACCEPTED
    assert class_of_receipt(code) in OutcomeClass


def test_the_environment_of_the_sdk_changes_nothing(twilio: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_EDGE", "sydney")
    monkeypatch.setenv("TWILIO_REGION", "au1")
    with connected(twilio.urls["twilio"]) as connector:
        assert connector.send(a_text()).outcome_class is OutcomeClass.ACCEPTED
