"""Failing on request, at an exact point of the dialogue."""

import smtplib
import time

import pytest

from sandbox.smtp.behaviour import BehaviourError
from sandbox.tests.conftest import plain_mail


def reach(client: smtplib.SMTP, stage: str) -> tuple[int, bytes]:
    """Walks the dialogue up to `stage` and returns its answer; every stage before must succeed."""
    steps = {
        "mail": lambda: client.mail("a@example.com"),
        "rcpt": lambda: client.rcpt("b@example.com"),
        "data": lambda: client.docmd("DATA"),
        "end_of_data": lambda: (client.send(b"Subject: x\r\n\r\nx\r\n.\r\n"), client.getreply())[1],
    }
    client.ehlo()
    for name, step in steps.items():
        answer = step()
        if name == stage:
            return answer
        assert answer[0] in (250, 354), name
    raise AssertionError(stage)


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "end_of_data"])
@pytest.mark.parametrize(
    ("code", "text"), [(550, "5.1.1 No such mailbox"), (451, "4.7.1 Greylisted, come back")]
)
def test_refuse_answers_at_its_stage_and_keeps_nothing(sandbox, smtp, http, stage, code, text):
    http("PUT", "/smtp/behaviour", {"mode": "refuse", "stage": stage, "code": code, "text": text})

    assert reach(smtp, stage) == (code, text.encode())
    assert sandbox.messages() == []
    http("PUT", "/smtp/behaviour", {"mode": "accept"})
    smtp.rset()
    smtp.sendmail("a@example.com", ["b@example.com"], plain_mail())
    assert len(sandbox.messages()) == 1


def test_refuse_at_connect(sandbox, send):
    sandbox.behave("refuse", stage="connect", code=554, text="5.3.2 Not today")

    with pytest.raises(smtplib.SMTPConnectError) as refused:
        send()
    assert (refused.value.smtp_code, refused.value.smtp_error) == (554, b"5.3.2 Not today")


def test_refuse_is_at_rcpt_unless_told_and_holds_for_every_recipient(sandbox, send):
    sandbox.behave("refuse", code=550, count=1)

    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(to=["a@example.com", "b@example.com"])
    answer = (550, b"5.0.0 Refused by the sandbox")
    assert refused.value.recipients == {"a@example.com": answer, "b@example.com": answer}
    send()
    assert len(sandbox.messages()) == 1


def test_refuse_with_421_closes_the_connection(sandbox, smtp):
    sandbox.behave("refuse", code=421, text="4.3.2 Shutting down", stage="mail")

    assert reach(smtp, "mail")[0] == 421
    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtp.noop()


def test_delay_answers_late_and_keeps_the_mail(sandbox, send):
    sandbox.behave("delay", seconds=0.4)
    started = time.monotonic()
    send()

    assert time.monotonic() - started >= 0.4
    assert len(sandbox.messages()) == 1


def test_delay_beyond_the_client_s_patience_has_kept_the_mail(sandbox, send):
    sandbox.behave("delay", seconds=60)

    with pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected)):
        send(timeout=0.5)
    assert len(sandbox.messages()) == 1


def test_a_delay_holds_up_nobody_else_and_pipelined_commands_wait(sandbox, smtp, send):
    sandbox.behave("delay", seconds=0.4, count=1)
    reach(smtp, "data")
    started = time.monotonic()
    smtp.send(b"x\r\n.\r\nNOOP\r\n")
    send(2)
    others = time.monotonic() - started

    assert smtp.getreply() == (250, b"2.0.0 Kept as 1")
    assert time.monotonic() - started >= 0.4 > others
    assert smtp.getreply() == (250, b"2.0.0 Ok")


def test_drop_before_data_closes_and_has_kept_nothing(sandbox, send):
    sandbox.behave("drop_before_data", count=1)

    with pytest.raises(smtplib.SMTPServerDisconnected):
        send()
    assert sandbox.messages() == []
    assert sandbox.behaviour() == {"mode": "accept"}


def test_drop_after_data_has_kept_the_mail_and_never_answers(sandbox, send):
    sandbox.behave("drop_after_data")

    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(3)
    assert [mail.message_id for mail in sandbox.messages()] == ["<3@example.com>"]


@pytest.mark.parametrize(
    ("ratio", "refused"),
    [
        (0, "0000000000"),
        (0.25, "0001000100"),
        (0.5, "0101010101"),
        (0.1, "0000000001"),
        (0.7, "0110110111"),
        (1, "1111111111"),
    ],
)
def test_ratio_is_spread_evenly_and_repeats_exactly(sandbox, smtp, ratio, refused):
    for _ in range(2):
        sandbox.behave("refuse", ratio=ratio)
        assert "".join(_outcome(smtp) for _ in range(10)) == refused


def test_count_is_the_number_of_messages_looked_at_then_all_are_accepted(sandbox, smtp, http):
    sandbox.behave("refuse", ratio=0.5, count=4)
    outcomes = [_outcome(smtp)]

    assert http("GET", "/smtp/behaviour").json == {
        "mode": "refuse",
        "code": 451,
        "text": "4.3.0 Try again later",
        "stage": "rcpt",
        "ratio": 0.5,
        "count": 3,
    }
    outcomes += [_outcome(smtp) for _ in range(7)]
    assert "".join(outcomes) == "01010000"
    assert http("GET", "/smtp/behaviour").json == {"mode": "accept"}


def _outcome(client: smtplib.SMTP) -> str:
    try:
        client.sendmail("a@example.com", ["b@example.com"], plain_mail())
    except smtplib.SMTPRecipientsRefused:
        return "1"
    return "0"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        ([], "one JSON object"),
        ({}, "mode is missing"),
        ({"mode": "explode"}, "accept, refuse, delay, drop_before_data, drop_after_data"),
        ({"mode": ["accept"]}, "mode must be one of"),
        ({"mode": "refuse", "code": 250}, "code must be a whole number from 400 to 599"),
        ({"mode": "refuse", "code": "550"}, "code must be"),
        ({"mode": "refuse", "code": True}, "code must be"),
        ({"mode": "refuse", "code": 450.5}, "code must be"),
        ({"mode": "refuse", "text": "a\r\n250 ok"}, "text must be one line"),
        ({"mode": "refuse", "text": "x" * 401}, "text must be one line"),
        ({"mode": "refuse", "text": 5}, "text must be one line"),
        ({"mode": "refuse", "stage": "quit"}, "connect, mail, rcpt, data, end_of_data"),
        ({"mode": "delay", "seconds": -1}, "seconds must be a number from 0 to 3600"),
        ({"mode": "delay", "seconds": 1e99}, "seconds must be"),
        (b'{"mode": "delay", "seconds": NaN}', "seconds must be"),
        ({"mode": "refuse", "ratio": 1.1}, "ratio must be a number from 0 to 1"),
        ({"mode": "refuse", "count": 0}, "count must be a whole number"),
        ({"mode": "refuse", "cuont": 1}, "cuont is not a field"),
    ],
)
def test_bad_behaviour_is_refused_with_what_is_allowed_and_changes_nothing(sandbox, http, body, named):
    sandbox.behave("delay", seconds=1)
    answer = http("PUT", "/smtp/behaviour", body)

    assert answer.status == 400
    assert named in answer.json["error"]
    assert sandbox.behaviour()["mode"] == "delay"


def test_null_means_the_default(sandbox, http):
    body = dict.fromkeys(("code", "text", "seconds", "ratio", "count", "stage")) | {"mode": "accept"}

    assert http("PUT", "/smtp/behaviour", body).json == {"mode": "accept"}


def test_behave_refuses_the_same_in_process(sandbox):
    with pytest.raises(BehaviourError, match="mode must be one of"):
        sandbox.behave("nonsense")
