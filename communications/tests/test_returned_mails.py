"""Mails that came back, read by their codes and not by their prose; hostile ones have an end too (EML-12)."""

import contextlib
import pathlib
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communications.choices import OutcomeClass, ReceiptKind
from communications.connectors.mailbox.reading import ReturnedMail, Unreadable, read_mail
from communications.connectors.mailbox.status_codes import class_of, code_of

FIXTURES = pathlib.Path(__file__).parents[3] / "shared/fixtures/bounces"
BOUNCED, WEAK = ReceiptKind.BOUNCED, OutcomeClass.WEAK_RECIPIENT


@pytest.mark.parametrize(
    ("name", "kind", "outcome", "code"),
    [
        ("arf-01", ReceiptKind.COMPLAINED, None, "abuse"),
        ("lhost-exim-01", BOUNCED, OutcomeClass.CONTENT, "550 5.7.0"),
        ("lhost-gmail-05", BOUNCED, OutcomeClass.CONTENT, "550 5.7.1"),
        ("lhost-office365-01", BOUNCED, OutcomeClass.RECIPIENT, "550 5.1.10"),
        ("lhost-postfix-01", BOUNCED, OutcomeClass.RECIPIENT, "5.1.1"),
        ("lhost-postfix-05", BOUNCED, WEAK, "450 4.1.1"),
        ("lhost-sendmail-03", BOUNCED, OutcomeClass.RECIPIENT, "550 5.1.1"),
        ("rfc3464-01", BOUNCED, OutcomeClass.RECIPIENT, "550 5.1.1"),
        ("rfc3464-04", BOUNCED, WEAK, "5.5.0"),
        ("rfc3464-07", ReceiptKind.DEFERRED, None, "4.4.0"),
        ("rfc3464-10", BOUNCED, OutcomeClass.RECIPIENT, "550 5.1.6"),
        ("rfc3834-01", ReceiptKind.AUTO_REPLY, None, ""),
        ("rfc3834-03", ReceiptKind.AUTO_REPLY, None, ""),
    ],
)
def test_real_mails_are_read_as_their_codes_say(name, kind, outcome, code):
    path = FIXTURES / f"{name}.eml"
    if not path.exists():
        pytest.skip(f"the real mails of {FIXTURES} are not here")
    mail = read_mail(path.read_bytes())
    assert (mail.kind, mail.outcome_class, mail.code) == (kind, outcome, code)


def a_report(status: str, *, action: str = "failed", prose: str = "", diagnostic: str = "") -> bytes:
    return (
        "From: MAILER-DAEMON@mx.example.net\nTo: hello@planiva.example\nDate: Tue, 3 Mar 2026 07:00:00 +0100\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        f"--b\nContent-Type: text/plain\n\n{prose}\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n"
        f"Final-Recipient: rfc822; p@example.com\nAction: {action}\nStatus: {status}\n{diagnostic}\n"
        "--b\nContent-Type: message/rfc822\n\nMessage-ID: <0123@planiva.example>\nSubject: Hi\n\nBody\n--b--\n"
    ).encode()


def test_a_report_names_the_mail_and_when():
    mail = read_mail(a_report("5.1.1", diagnostic="Diagnostic-Code: smtp; 550 5.1.1 no such user"))
    assert mail == ReturnedMail(
        kind=BOUNCED,
        about=("<0123@planiva.example>",),
        sent_to=("hello@planiva.example",),
        sender="MAILER-DAEMON@mx.example.net",
        occurred_at=datetime(2026, 3, 3, 6, tzinfo=UTC),
        outcome_class=OutcomeClass.RECIPIENT,
        code="550 5.1.1",
        said="smtp; 550 5.1.1 no such user",
    )


@pytest.mark.parametrize(
    ("report", "kind", "outcome"),
    [
        pytest.param(
            a_report("5.7.1", prose="550 5.1.1 User unknown: the mailbox does not exist"),
            BOUNCED,
            OutcomeClass.CONTENT,
            id="the prose blames the address, the code the sender",
        ),
        pytest.param(
            a_report("4.4.1", action="delayed", prose="Your message could not be delivered. 550 5.1.1"),
            ReceiptKind.DEFERRED,
            None,
            id="the prose says failed, the action delayed",
        ),
        pytest.param(
            a_report("2.0.0", action="delivered", prose="Undeliverable"),
            ReceiptKind.DELIVERED,
            None,
            id="the prose says failed, the action delivered",
        ),
        pytest.param(a_report("nonsense"), BOUNCED, WEAK, id="no status"),
        pytest.param(a_report("5.1.1", action="exploded"), ReceiptKind.OTHER, None, id="no known action"),
    ],
)
def test_codes_decide_where_the_prose_contradicts_them(report, kind, outcome):
    mail = read_mail(report)
    assert (mail.kind, mail.outcome_class) == (kind, outcome)


@pytest.mark.parametrize(
    ("status", "diagnostic", "code"),
    [
        ("5.1.1", "", "5.1.1"),
        ("5.0.0", "smtp; 550 5.1.1 x", "550 5.1.1"),
        ("5.7.1", "smtp; 550 5.1.1 x", "550 5.7.1"),
        ("5.1.1", "smtp; 450 4.1.1 x", "5.1.1"),
        ("4.4.7 (timed out)", "x-unix; 550 5.1.1", "4.4.7"),
        ("", "smtp; 550 no", "550"),
        ("5.1.1.9", "", ""),
        ("", "", ""),
    ],
)
def test_the_status_counts_and_the_reply_adds_to_it(status, diagnostic, code):
    assert code_of(status, diagnostic) == code


def test_whatever_a_code_says_5_7_never_blames_the_address():
    assert all(class_of(f"550 5.7.{detail}") is OutcomeClass.CONTENT for detail in range(40))


def test_a_full_mailbox_and_an_expired_queue_blame_it_weakly():
    assert {class_of("552 5.2.2"), class_of("4.4.7"), class_of("")} == {WEAK}


def a_reply(**headers: str) -> bytes:
    given = {"From": "Priya <p@example.com>", "To": "replies+abc@in.planiva.example", **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in given.items())
    return f"{lines}\nThe first one, please.\n".encode()


def test_a_reply_refers_to_what_it_answers():
    mail = read_mail(
        a_reply(In_Reply_To="<b@planiva.example>", References="<t@planiva.example> <b@planiva.example>")
    )
    assert (mail.kind, mail.about, mail.sent_to, mail.text) == (
        ReceiptKind.REPLY,
        ("<b@planiva.example>", "<t@planiva.example>"),
        ("replies+abc@in.planiva.example",),
        "The first one, please.\n",
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Precedence": "auto_reply"},
        {"X_Autoreply": "yes"},
        {"Return_Path": "<>"},
        {"Subject": "Automatic reply: Your options"},
        {"Subject": "=?utf-8?q?Out_of_office?="},
    ],
)
def test_automatic_answers_are_none(headers):
    assert read_mail(a_reply(**headers)).kind is ReceiptKind.AUTO_REPLY


def test_auto_submitted_no_is_a_person():
    assert read_mail(a_reply(Auto_Submitted="no")).kind is ReceiptKind.REPLY


def nested(depth: int) -> bytes:
    heads = [f'Content-Type: multipart/mixed; boundary="b{level}"\n\n--b{level}\n' for level in range(depth)]
    return ("From: a@example.com\n" + "".join(heads) + "\nHi\n").encode()


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00" * 1000, id="zeros"),
        pytest.param(b"From: \xff\xfe\nSubject: =?no-such?q?x?=\nDate: Tue, 99\n\n\xff", id="broken headers"),
        pytest.param(b'Content-Type: text/plain; charset="no-such"\n\nx', id="unknown charset"),
        pytest.param(
            b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n!!!", id="broken base64"
        ),
        pytest.param(nested(50), id="nested"),
        pytest.param(nested(2_000), id="endlessly nested"),
        pytest.param(b"Content-Type: message/rfc822\n\n" * 3_000, id="mails in mails"),
        pytest.param(
            b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\nx\n" * 20_000, id="many parts"
        ),
        pytest.param(b"References: " + b"<a@b> " * 200_000 + b"\n\n", id="many references"),
        pytest.param(b"To: " + b"a@b, " * 50_000 + b"\n\n", id="many recipients"),
    ],
)
def test_hostile_mails_have_an_end(raw):
    started = time.monotonic()
    with contextlib.suppress(Unreadable):
        mail = read_mail(raw)
        assert len(mail.about) <= 50
        assert len(mail.text) <= 20_000
    assert time.monotonic() - started < 20


@given(st.binary(max_size=2_000))
def test_any_bytes_are_read_or_refused(raw):
    with contextlib.suppress(Unreadable):
        assert isinstance(read_mail(raw), ReturnedMail)


@given(st.lists(st.sampled_from(a_report("5.1.1").split(b"\n")), max_size=40))
def test_any_shuffled_report_is_read_or_refused(lines):
    with contextlib.suppress(Unreadable):
        assert isinstance(read_mail(b"\n".join(lines)), ReturnedMail)
