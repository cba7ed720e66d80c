"""Whatever is handed over by SMTP is kept as it is."""

import smtplib
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.smtp.connection import MAX_MESSAGE_BYTES
from sandbox.tests.conftest import plain_mail


def test_a_mail_is_kept_with_its_envelope(sandbox, send):
    send(7, to=["priya@example.com", "arjun@example.com"])

    (mail,) = sandbox.messages()
    assert mail.sender == "hello@example.com"
    assert mail.recipients == ("priya@example.com", "arjun@example.com")
    assert mail.message_id == "<7@example.com>"
    assert mail.raw == plain_mail(7)
    assert abs(datetime.now(UTC) - mail.received_at) < timedelta(minutes=1)
    assert mail.parsed()["Subject"] == "Mail 7"


def test_many_mails_go_over_one_connection_in_order(sandbox, smtp):
    for number in range(50):
        smtp.sendmail("a@example.com", ["b@example.com"], plain_mail(number))

    assert [mail.message_id for mail in sandbox.messages()] == [f"<{n}@example.com>" for n in range(50)]


def test_twenty_connections_at_once_lose_and_mix_nothing(sandbox):
    def send_ten(start):
        with smtplib.SMTP(sandbox.smtp_host, sandbox.smtp_port, timeout=30) as client:
            for number in range(start, start + 10):
                client.sendmail(f"{number}@example.com", ["b@example.com"], plain_mail(number))

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(send_ten, range(0, 200, 10)))

    mails = sandbox.messages()
    assert sorted(mail.message_id for mail in mails) == sorted(f"<{n}@example.com>" for n in range(200))
    assert [mail.id for mail in mails] == list(range(1, 201))
    for mail in mails:
        assert mail.raw == plain_mail(int(mail.sender.split("@")[0]))


@pytest.mark.parametrize(
    ("raw", "message_id"),
    [
        pytest.param(b"no headers \xff\xfe at all\r\n", "", id="invalid UTF-8 and no headers"),
        pytest.param(b"\r\nMessage-ID: <body@x>\r\n", "", id="an empty header"),
        pytest.param(b"\r\n", "", id="one empty line"),
        pytest.param(b".\r\n..\r\n.x\r\n", "", id="lines of dots"),
        pytest.param(b"Subject: \0\x01\x1b\r\n\r\n\0\r\n", "", id="control characters"),
        pytest.param(b"A: b\r\nmessage-id:\r\n <folded@x>\r\n\r\n", "<folded@x>", id="a folded Message-ID"),
        pytest.param(b"Message-ID:\r\nSubject: x\r\n\r\n", "", id="an empty Message-ID"),
        pytest.param(b"Message-ID: <1@x>\r\n\r\nMessage-ID: <2@x>\r\n", "<1@x>", id="two Message-IDs"),
        pytest.param(b"Message-ID: <\xe9@x>\r\n\r\n", "<\ufffd@x>", id="a Message-ID that is not UTF-8"),
        pytest.param(b"x" * 100_000 + b"\r\n", "", id="a line without end"),
    ],
)
def test_odd_mails_are_kept_octet_for_octet(sandbox, http, smtp, raw, message_id):
    smtp.sendmail("a@example.com", ["b@example.com"], raw)

    (mail,) = sandbox.messages()
    assert mail.raw == raw
    assert mail.message_id == message_id
    assert http("GET", "/smtp/mail/1/raw").body == raw
    for path in ("/smtp/messages", "/smtp/messages/1", "/smtp/", "/smtp/mail/1"):
        assert http("GET", path).status == 200


def test_a_mail_of_thirty_megabytes_is_kept(sandbox, http, send):
    raw = b"Message-ID: <big@x>\r\n\r\n" + b"A line of thirty characters ..\r\n" * 1_000_000
    send(raw=raw, timeout=60)

    (mail,) = sandbox.messages(message_id="<big@x>")
    assert mail.raw == raw
    assert len(http("GET", "/smtp/messages").json[0]["raw"]) == len(raw)
    assert "Shortened here" in http("GET", "/smtp/mail/1").text


@pytest.mark.parametrize("excess", [1, 1_000_000])
def test_a_mail_above_the_limit_is_refused_and_the_connection_lives_on(sandbox, smtp, excess):
    smtp.ehlo()
    assert smtp.mail("a@example.com", [f"SIZE={MAX_MESSAGE_BYTES + 1}"])[0] == 552
    smtp.mail("a@example.com")
    smtp.rcpt("b@example.com")
    assert smtp.data(b"x" * (MAX_MESSAGE_BYTES + excess))[0] == 552
    smtp.sendmail("a@example.com", ["b@example.com"], plain_mail(1))

    assert [mail.message_id for mail in sandbox.messages()] == ["<1@example.com>"]


def test_pipelined_commands_and_octets_one_by_one(sandbox):
    dialogue = (
        b"EHLO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n..dot\r\n.\r\n"
        b"MAIL FROM:<>\r\nRCPT TO:<c@example.com>\r\nDATA\r\n.\r\nQUIT\r\n"
    )
    with socket.create_connection((sandbox.smtp_host, sandbox.smtp_port), timeout=10) as client:
        for at in range(len(dialogue)):
            client.sendall(dialogue[at : at + 1])
        answers = b"".join(iter(lambda: client.recv(4096), b""))
    assert answers.endswith(b"221 2.0.0 Bye\r\n")
    with socket.create_connection((sandbox.smtp_host, sandbox.smtp_port), timeout=10) as client:
        client.sendall(dialogue)
        assert b"".join(iter(lambda: client.recv(4096), b"")).endswith(b"221 2.0.0 Bye\r\n")

    mails = sandbox.messages()
    assert [mail.raw for mail in mails] == [b".dot\r\n", b"", b".dot\r\n", b""]
    assert [mail.sender for mail in mails] == ["a@example.com", "", "a@example.com", ""]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        pytest.param(["MAIL FROM:<a@x>"], 503, id="MAIL before EHLO"),
        pytest.param(["EHLO x", "RCPT TO:<a@x>"], 503, id="RCPT before MAIL"),
        pytest.param(["EHLO x", "DATA"], 503, id="DATA before RCPT"),
        pytest.param(["EHLO x", "MAIL FROM:<a@x>", "MAIL FROM:<a@x>"], 503, id="MAIL twice"),
        pytest.param(["EHLO x", "MAIL a@x"], 501, id="MAIL without FROM"),
        pytest.param(["EHLO x", "MAIL TO:<a@x>"], 501, id="MAIL with TO"),
        pytest.param(["EHLO x", "MAIL FROM:<a@x>", "RCPT TO:<>"], 501, id="RCPT without an address"),
        pytest.param(["EHLO x", "MAIL FROM:<a@x>", "RSET", "RCPT TO:<a@x>"], 503, id="RSET forgets"),
        pytest.param(["STARTTLS"], 502, id="no TLS"),
        pytest.param(["BREW"], 500, id="unknown"),
        pytest.param(["\xff\xfe"], 500, id="octets that are no command"),
        pytest.param(["x" * 5000], 500, id="too long"),
        pytest.param(["VRFY a@x"], 252, id="VRFY"),
        pytest.param(["HELO x", "NOOP"], 250, id="NOOP"),
    ],
)
def test_the_dialogue_keeps_its_order(smtp, lines, code):
    smtp.command_encoding = "latin-1"
    *before, last = lines
    for line in before:
        smtp.docmd(line)

    assert smtp.docmd(last)[0] == code


def test_addresses_that_are_not_ascii_are_taken(sandbox, smtp):
    smtp.ehlo()
    smtp.command_encoding = "utf-8"
    smtp.mail("पता@example.com", ["SMTPUTF8"])
    smtp.rcpt('"a>b"@example.com')
    smtp.data(b"x")

    (mail,) = sandbox.messages()
    assert (mail.sender, mail.recipients) == ("पता@example.com", ('"a>b"@example.com',))


def test_at_most_a_thousand_recipients(smtp):
    smtp.ehlo()
    smtp.mail("a@example.com")
    codes = [smtp.rcpt(f"{number}@example.com")[0] for number in range(1001)]

    assert codes == [250] * 1000 + [452]
