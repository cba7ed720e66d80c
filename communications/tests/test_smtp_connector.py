"""The SMTP connector against a real server: what can be told apart is told apart."""

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from communications.choices import OutcomeClass
from communications.connectors.base import Outcome, OutgoingMessage
from communications.connectors.smtp.connection import SmtpSettings
from communications.connectors.smtp.connector import SmtpConnector
from communications.connectors.smtp.replies import Stage, classify, reply_code
from sandbox.testing import Sandbox, running_sandbox


@contextmanager
def connected(host: str, port: int, **options: Any) -> Iterator[SmtpConnector]:
    settings = SmtpSettings(host=host, port=port, use_tls=options.pop("use_tls", False))
    connector = SmtpConnector(settings, **options)
    try:
        yield connector
    finally:
        connector.close()


@pytest.fixture
def connector(sandbox: Sandbox) -> Iterator[SmtpConnector]:
    sandbox.clear()
    sandbox.behave("accept")
    with connected(sandbox.smtp_host, sandbox.smtp_port) as made:
        yield made


def a_message(body: bytes = b"Hello.\r\n") -> OutgoingMessage:
    attempt = uuid4()
    message_id = f"<{attempt.hex}@planiva.example>"
    headers = f"From: hello@planiva.example\r\nMessage-ID: {message_id}\r\n\r\n".encode()
    return OutgoingMessage(attempt, message_id, "hello@planiva.example", "priya@example.com", headers + body)


def test_an_accepted_message_arrives_byte_for_byte(sandbox: Sandbox, connector: SmtpConnector) -> None:
    message = a_message(b".starts with a dot\r\n..two\r\nends without a line break\r\n.")
    outcome = connector.send(message)
    (mail,) = sandbox.messages()
    assert outcome.outcome_class is OutcomeClass.ACCEPTED
    assert outcome.provider_message_id == message.message_id.strip("<>")
    assert mail.raw.rstrip(b"\r\n") == message.payload.rstrip(b"\r\n")


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        pytest.param({"code": 451, "text": "4.3.0 later"}, OutcomeClass.TRANSIENT, id="451"),
        pytest.param({"code": 421, "text": "4.4.2 busy"}, OutcomeClass.TRANSIENT, id="421"),
        pytest.param({"code": 550, "text": "5.1.1 unknown"}, OutcomeClass.RECIPIENT, id="5.1.1"),
        pytest.param({"code": 552, "text": "5.2.2 full"}, OutcomeClass.WEAK_RECIPIENT, id="5.2.2"),
        pytest.param(
            {"code": 552, "text": "5.3.4 too big", "stage": "end_of_data"}, OutcomeClass.CONTENT, id="5.3.4"
        ),
        pytest.param({"code": 550, "text": "5.7.1 policy"}, OutcomeClass.CONTENT, id="5.7.1 at RCPT"),
        pytest.param(
            {"code": 550, "text": "5.7.1 policy", "stage": "mail"}, OutcomeClass.CONFIG, id="5.7.1 at MAIL"
        ),
        pytest.param(
            {"code": 550, "text": "5.1.1 who are you", "stage": "mail"},
            OutcomeClass.CONFIG,
            id="5.1.1 at MAIL",
        ),
        pytest.param({"code": 550, "text": "no"}, OutcomeClass.WEAK_RECIPIENT, id="bare 550 at RCPT"),
        pytest.param(
            {"code": 554, "text": "no", "stage": "end_of_data"}, OutcomeClass.CONTENT, id="554 at the end"
        ),
        pytest.param(
            {"code": 554, "text": "5.7.1 go away", "stage": "connect"}, OutcomeClass.CONFIG, id="banned"
        ),
        pytest.param(
            {"code": 451, "text": "4.7.1 no", "stage": "data"}, OutcomeClass.TRANSIENT, id="451 at DATA"
        ),
    ],
)
def test_refusals_have_their_class(
    sandbox: Sandbox, connector: SmtpConnector, behaviour: dict[str, Any], expected: OutcomeClass
) -> None:
    sandbox.behave("refuse", count=1, **behaviour)
    outcome = connector.send(a_message())
    assert outcome.outcome_class is expected
    assert outcome.code.startswith(str(behaviour["code"]))
    assert connector.send(a_message()).outcome_class is OutcomeClass.ACCEPTED
    assert len(sandbox.messages()) == 1


def test_lost_before_data_is_transient_and_lost_after_it_is_ambiguous(
    sandbox: Sandbox, connector: SmtpConnector
) -> None:
    sandbox.behave("drop_before_data")
    assert connector.send(a_message()).outcome_class is OutcomeClass.TRANSIENT
    assert sandbox.messages() == []
    sandbox.behave("drop_after_data")
    assert connector.send(a_message()).outcome_class is OutcomeClass.AMBIGUOUS
    assert len(sandbox.messages()) == 1


def test_nobody_listening_is_transient() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with connected("127.0.0.1", unused.getsockname()[1]) as connector:
            assert connector.send(a_message()).outcome_class is OutcomeClass.TRANSIENT


def test_tls_that_is_not_offered_is_our_configuration(sandbox: Sandbox) -> None:
    """SEC-2: without TLS nothing is sent."""
    sandbox.clear()
    with connected(sandbox.smtp_host, sandbox.smtp_port, use_tls=True) as connector:
        assert connector.send(a_message()).outcome_class is OutcomeClass.CONFIG
    assert sandbox.messages() == []


def test_the_total_time_is_limited_whatever_the_server_does(sandbox: Sandbox) -> None:
    sandbox.behave("delay", seconds=20)
    with connected(sandbox.smtp_host, sandbox.smtp_port, call_limit_seconds=0.5) as connector:
        began = time.monotonic()
        outcome = connector.send(a_message())
    assert outcome.outcome_class is OutcomeClass.AMBIGUOUS
    assert time.monotonic() - began < 10


def drip(listener: socket.socket, stop: threading.Event) -> None:
    """A server that says one byte of its greeting at a time: every single read is quick, the whole never ends."""
    peer, _ = listener.accept()
    with peer:
        while not stop.wait(0.05):
            try:
                peer.sendall(b"2")
            except OSError:
                return


def test_a_server_that_drips_is_cut_off() -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener, stop))
        thread.start()
        with connected("127.0.0.1", listener.getsockname()[1], call_limit_seconds=0.5) as connector:
            outcome = connector.send(a_message())
        stop.set()
        thread.join()
    assert outcome.outcome_class is OutcomeClass.TRANSIENT


def test_a_name_server_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look-up has no limit of its own; calls for the same name share one that hangs."""
    answered = threading.Event()
    asked: list[str] = []
    really = socket.getaddrinfo

    def hang(host: str, port: int, *how: int) -> Any:
        if host != "mail.planiva.example":
            return really(host, port, *how)
        if socket.AI_NUMERICHOST in how:
            raise socket.gaierror
        asked.append(host)
        answered.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with connected("mail.planiva.example", 25, call_limit_seconds=0.5) as connector:
        began = time.monotonic()
        outcomes = [connector.send(a_message()).outcome_class for _ in range(2)]
    took = time.monotonic() - began
    answered.set()
    assert outcomes == [OutcomeClass.TRANSIENT] * 2
    assert took < 10
    assert len(asked) == 1


def test_a_name_is_looked_up(sandbox: Sandbox) -> None:
    sandbox.behave("accept")
    with connected("localhost", sandbox.smtp_port) as connector:
        assert connector.send(a_message()).outcome_class is OutcomeClass.ACCEPTED


def test_a_connection_that_the_server_closed_while_idle_costs_nothing(tmp_path: Path) -> None:
    with ExitStack() as until_the_end:
        with running_sandbox(tmp_path / "one") as first:
            connector = until_the_end.enter_context(connected(first.smtp_host, first.smtp_port))
            assert connector.send(a_message()).outcome_class is OutcomeClass.ACCEPTED
        with running_sandbox(tmp_path / "two", smtp_port=first.smtp_port) as second:
            assert connector.send(a_message()).outcome_class is OutcomeClass.ACCEPTED
            assert len(second.messages()) == 1


def answers(listener: socket.socket, end_of_data: bytes, data: bytes = b"354 go\r\n") -> None:
    """A server that is polite until DATA or its end."""
    peer, _ = listener.accept()
    with peer, peer.makefile("rb") as lines:
        peer.sendall(b"220 hello\r\n")
        for line in lines:
            if line.startswith(b"DATA"):
                peer.sendall(data)
                if data.startswith(b"354"):
                    while lines.readline() != b".\r\n":
                        continue
                    peer.sendall(end_of_data)
            elif line.startswith(b"QUIT"):
                return
            else:
                peer.sendall(b"250 ok\r\n")


def takes_all_at_once(listener: socket.socket, rcpt: bytes, data: bytes, seen: list[bytes]) -> None:
    """A server that offers PIPELINING and asks for a message although it refused its recipient."""
    peer, _ = listener.accept()
    with peer, peer.makefile("rb") as lines:
        peer.sendall(b"220 hello\r\n")
        for line in lines:
            seen.append(line)
            if line.lower().startswith(b"ehlo"):
                peer.sendall(b"250-hello\r\n250 PIPELINING\r\n")
            elif line.startswith(b"RCPT"):
                peer.sendall(rcpt)
            elif line.startswith(b"DATA"):
                peer.sendall(data)
            else:
                peer.sendall(b"250 ok\r\n")


@pytest.mark.parametrize(
    ("data", "reused"),
    [
        pytest.param(b"354 go\r\n", False, id="it waits for the message: hang up"),
        pytest.param(b"554 no valid recipients\r\n", True, id="it does not: the connection is kept"),
    ],
)
def test_a_refused_recipient_gets_nothing_from_a_server_that_pipelines(data: bytes, reused: bool) -> None:
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        arguments = (listener, b"550 5.1.1 unknown\r\n", data, seen)
        thread = threading.Thread(target=takes_all_at_once, args=arguments)
        thread.start()
        with connected("127.0.0.1", listener.getsockname()[1], call_limit_seconds=20) as connector:
            assert connector.send(a_message()).outcome_class is OutcomeClass.RECIPIENT
        thread.join()
    commands = [line.split()[0].upper() for line in seen]
    assert commands == [b"EHLO", b"MAIL", b"RCPT", b"DATA", *([b"RSET"] if reused else [])]


def outcome_against(*replies: bytes) -> OutcomeClass:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answers, args=(listener, *replies))
        thread.start()
        with connected("127.0.0.1", listener.getsockname()[1], call_limit_seconds=2) as connector:
            outcome = connector.send(a_message()).outcome_class
        thread.join()
    return outcome


@pytest.mark.parametrize("reply", [b"garbage\r\n", b"\r\n", b"354 more\r\n", b"150 hm\r\n", b"600 what\r\n"])
def test_an_answer_that_is_none_leaves_the_message_in_doubt(reply: bytes) -> None:
    """The server has the whole message: what it says is no refusal."""
    assert outcome_against(reply) is OutcomeClass.AMBIGUOUS


@pytest.mark.parametrize("reply", [b"250 ok\r\n", b"garbage\r\n"])
def test_a_server_that_does_not_ask_for_the_message_gets_none(reply: bytes) -> None:
    assert outcome_against(b"250 ok\r\n", reply) is OutcomeClass.TRANSIENT


def test_many_threads_share_the_connections(sandbox: Sandbox, connector: SmtpConnector) -> None:
    messages = [a_message() for _ in range(200)]
    with ThreadPoolExecutor(16) as pool:
        outcomes: list[Outcome] = list(pool.map(connector.send, messages))
    assert {outcome.outcome_class for outcome in outcomes} == {OutcomeClass.ACCEPTED}
    arrived = [mail.message_id for mail in sandbox.messages()]
    assert sorted(arrived) == sorted(message.message_id for message in messages)


def test_every_reply_has_a_class() -> None:
    texts = ["", "5.9.99 odd", "4.0.0", "nonsense 5.1.1", "\ufffd"]
    for stage, code, text in itertools.product(Stage, [*range(400, 600, 7), 999], texts):
        assert classify(code, text, stage) in OutcomeClass


def test_five_seven_never_blames_the_address() -> None:
    for detail in range(30):
        for stage in Stage:
            outcome = classify(550, f"5.7.{detail} no", stage)
            assert outcome not in {OutcomeClass.RECIPIENT, OutcomeClass.WEAK_RECIPIENT}


def test_the_code_that_is_shown_holds_nothing_of_the_text() -> None:
    assert reply_code(550, "5.1.1 <priya@example.com>: unknown") == "550 5.1.1"
    assert reply_code(550, "<priya@example.com> unknown") == "550"
