"""The Telnyx connector over real HTTP to the sandbox (MSG-4)."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communications.choices import OutcomeClass
from communications.connectors.base import OutgoingMessage
from communications.connectors.telnyx.codes import CODES, classify
from communications.connectors.telnyx.connector import TelnyxConnector, TelnyxSettings
from communications.tests.connectors.servers import answers, drips, hangs_up, http_answer, serving
from sandbox.credentials import TELNYX_API_KEY, TELNYX_PHONE_NUMBER
from sandbox.testing import Sandbox

PRIYA = "+919812345678"


@contextmanager
def connected(url: str, **options: Any) -> Iterator[TelnyxConnector]:
    limit = options.pop("call_limit_seconds", 10.0)
    settings = {"api_key": TELNYX_API_KEY, "sender": TELNYX_PHONE_NUMBER} | options
    connector = TelnyxConnector(TelnyxSettings(**settings, base_url=url), call_limit_seconds=limit)
    try:
        yield connector
    finally:
        connector.close()


@pytest.fixture
def telnyx(sandbox: Sandbox) -> Iterator[Sandbox]:
    sandbox.clear_texts()
    sandbox.behave_as("telnyx", "accept")
    yield sandbox
    sandbox.behave_as("telnyx", "accept")


@pytest.fixture
def connector(telnyx: Sandbox) -> Iterator[TelnyxConnector]:
    with connected(telnyx.urls["telnyx"]) as made:
        yield made


def a_text(text: str = "Hello.", to: str = PRIYA) -> OutgoingMessage:
    return OutgoingMessage(uuid4(), "", "", to, text.encode())


def test_an_accepted_text_arrives_as_it_was(telnyx: Sandbox, connector: TelnyxConnector) -> None:
    message = a_text("Zoë & Ömer: 50 % {x}\nhttps://planiva.example/s/a+b?c=d")
    outcome = connector.send(message)
    (arrived,) = telnyx.texts("telnyx")
    assert outcome.outcome_class is OutcomeClass.ACCEPTED
    assert (arrived["provider_id"], arrived["text"]) == (
        outcome.provider_message_id,
        message.payload.decode(),
    )
    assert arrived["fields"]["idempotency_key"] == message.attempt_id.hex
    assert connector.send(message).provider_message_id == outcome.provider_message_id
    assert len(telnyx.texts("telnyx")) == 1


@pytest.mark.parametrize(("code", "expected"), sorted(CODES.items()))
def test_every_code_has_its_class_over_http(
    telnyx: Sandbox, connector: TelnyxConnector, code: str, expected: OutcomeClass
) -> None:
    telnyx.behave_as("telnyx", "error", code=int(code), count=1)
    outcome = connector.send(a_text())
    assert (outcome.outcome_class, outcome.code) == (expected, code)
    assert telnyx.texts("telnyx") == []


@pytest.mark.parametrize(
    ("options", "to", "text", "expected"),
    [
        ({"api_key": "wrong"}, PRIYA, "x", (OutcomeClass.CONFIG, "10009")),
        ({"sender": "+1"}, PRIYA, "x", (OutcomeClass.CONTENT, "40305")),
        ({}, "12345", "x", (OutcomeClass.CONTENT, "40310")),
        ({}, PRIYA, "", (OutcomeClass.CONTENT, "40316")),
        ({}, PRIYA, "x" * 1601, (OutcomeClass.CONTENT, "40302")),
        ({"webhook_url": "nonsense"}, PRIYA, "x", (OutcomeClass.CONTENT, "10015")),
    ],
)
def test_the_stand_in_is_strict(
    telnyx: Sandbox, options: dict[str, Any], to: str, text: str, expected: tuple[OutcomeClass, str]
) -> None:
    with connected(telnyx.urls["telnyx"], **options) as connector:
        outcome = connector.send(a_text(text, to))
    assert (outcome.outcome_class, outcome.code) == expected
    assert telnyx.texts("telnyx") == []


def test_what_can_be_told_apart(telnyx: Sandbox, connector: TelnyxConnector) -> None:
    telnyx.behave_as("telnyx", "error", code=503, count=1)
    assert connector.send(a_text()).outcome_class is OutcomeClass.AMBIGUOUS
    telnyx.behave_as("telnyx", "unreachable")
    assert connector.send(a_text()).outcome_class is OutcomeClass.TRANSIENT
    telnyx.behave_as("telnyx", "accept")
    assert connector.send(a_text()).outcome_class is OutcomeClass.ACCEPTED


def test_no_answer_is_no_failure(telnyx: Sandbox) -> None:
    telnyx.behave_as("telnyx", "hang")
    with connected(telnyx.urls["telnyx"], call_limit_seconds=0.5) as connector:
        assert connector.send(a_text()).outcome_class is OutcomeClass.AMBIGUOUS
    assert len(telnyx.texts("telnyx")) == 1


@pytest.mark.parametrize("serve", [drips, hangs_up], ids=["drips", "hangs up"])
def test_lost_after_the_request_left_is_ambiguous(serve: Any) -> None:
    with serving(serve) as url, connected(url, call_limit_seconds=0.5) as connector:
        assert connector.send(a_text()).outcome_class is OutcomeClass.AMBIGUOUS


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"data": []}', b'{"data": {"id": 7}}', b"\xff"])
def test_a_success_that_names_no_message_is_ambiguous(body: bytes) -> None:
    with serving(answers(http_answer(200, body))) as url, connected(url) as connector:
        assert connector.send(a_text()).outcome_class is OutcomeClass.AMBIGUOUS


@pytest.mark.parametrize(
    ("status", "errors", "expected"),
    [
        (500, [{"code": "90000"}], OutcomeClass.TRANSIENT),
        (500, [], OutcomeClass.AMBIGUOUS),
        (422, [{"code": "x" * 99}], OutcomeClass.CONTENT),
        (422, [7], OutcomeClass.CONTENT),
        (422, "no", OutcomeClass.CONTENT),
        (403, [{"code": "40300", "title": "Blocked"}], OutcomeClass.OPTED_OUT),
    ],
)
def test_a_refusal_with_and_without_telnyx_s_own_object(
    status: int, errors: Any, expected: OutcomeClass
) -> None:
    body = json.dumps({"errors": errors}).encode()
    with serving(answers(http_answer(status, body))) as url, connected(url) as connector:
        outcome = connector.send(a_text())
    assert outcome.outcome_class is expected
    assert len(outcome.code) <= 64


@given(st.integers(100, 999), st.none() | st.text(max_size=20))
def test_unknown_codes_never_crash(status: int, code: str | None) -> None:
    assert classify(status, code) is not OutcomeClass.ACCEPTED
