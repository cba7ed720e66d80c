"""Mails that come to us, by the webhook and from a mailbox: from the bytes to what becomes of the message (EML-12)."""

import ssl
from uuid import uuid4

import pytest

from clients.models import ContactPoint
from communications.agents.reply_address import reply_address
from communications.choices import AttentionKind, Cause, ReceiptKind, ReceiptVerdict, Status
from communications.models import Receipt
from communications.services.dispatch import dispatch_due
from communications.services.incoming_mail import read_mailbox
from communications.services.receipt_effects import process_due
from communications.tests.factories import a_communication
from communications.tests.imap_server import FOLDER, PASSWORD, USER, running_imap
from communications.tests.steps import story
from communications.tests.test_returned_mails import nested
from core import clock
from core.models import AttentionItem
from core.tests.api.callers import assert_problem, nobody

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]
SECRET = "a-word-that-only-the-mail-server-knows"
PATH = "/api/crm/webhooks/email/raw"


@pytest.fixture(autouse=True)
def secret(settings):
    settings.INBOUND_MAIL_SECRET = SECRET
    settings.CRM_REPLY_ADDRESS = "replies@in.planiva.example"
    settings.CRM_SPOOL_NAME = f"test-{uuid4()}"


@pytest.fixture
def sent(smtp):
    """A welcome that really went out by SMTP."""
    row = a_communication()
    dispatch_due()
    row.refresh_from_db()
    assert row.status == Status.SENT
    return row


def post(raw: bytes, *, secret: str = SECRET):
    return nobody().post(PATH, raw=raw, content_type="message/rfc822", Authorization=f"Bearer {secret}")


def arrived(raw: bytes) -> None:
    assert post(raw).status_code == 204
    process_due(actor="worker:a", now=clock.now())


def address_of(row) -> str:
    return ContactPoint.objects.get(client_id=row.client_id).address


def a_bounce(row, *, status="5.1.1", action="failed") -> bytes:
    return (
        f"From: MAILER-DAEMON@mx.example.net\nTo: hello@planiva.example\nMessage-ID: <{uuid4().hex}@mx>\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nSorry.\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n"
        f"Final-Recipient: rfc822; {address_of(row)}\nAction: {action}\nStatus: {status}\n"
        f"Diagnostic-Code: smtp; 550 {status} <{address_of(row)}> no such user\n\n"
        f"--b\nContent-Type: message/rfc822\n\nMessage-ID: {row.attempts.get().message_id}\n\nHello\n--b--\n"
    ).encode()


def a_reply(row, **headers: str) -> bytes:
    given = {"From": f"Priya <{address_of(row)}>", "Message-ID": f"<{uuid4().hex}@example.com>"} | headers
    lines = "".join(f"{name}: {value}\n" for name, value in given.items())
    return f"{lines}\nThe first one, please.\n".encode()


def test_a_bounce_reaches_its_message(sent):
    arrived(a_bounce(sent))
    sent.refresh_from_db()
    assert (sent.status, story(sent)[-1]) == (Status.FAILED, Cause.BOUNCED)
    assert ContactPoint.objects.get(client_id=sent.client_id).undeliverable_code == "550 5.1.1"
    assert Receipt.objects.get().payload is None


def test_the_same_bounce_by_another_way_is_known(sent):
    raw = a_bounce(sent)
    arrived(raw)
    arrived(b"Received: from elsewhere\n" + raw)
    assert Receipt.objects.count() == 1


def test_a_delay_changes_nothing(sent):
    arrived(a_bounce(sent, status="4.4.1", action="delayed"))
    sent.refresh_from_db()
    assert (sent.status, ReceiptKind(Receipt.objects.get().kind)) == (Status.SENT, ReceiptKind.DEFERRED)


@pytest.mark.parametrize("way", ["In-Reply-To", "To", "From"])
def test_an_answer_finds_its_message(sent, way):
    headers = {
        "In-Reply-To": {"In-Reply-To": sent.attempts.get().message_id},
        "To": {"To": reply_address(sent.id), "From": "her.sister@example.com"},
        "From": {},
    }
    arrived(a_reply(sent, **headers[way]))
    sent.refresh_from_db()
    assert sent.status == Status.DELIVERED, "whoever answers has got it"
    item = AttentionItem.objects.get()
    assert (item.kind, item.target) == (AttentionKind.REPLY_RECEIVED, f"communication:{sent.id}")


def test_an_automatic_answer_is_kept_and_asks_nobody(sent):
    arrived(a_reply(sent, **{"Auto-Submitted": "auto-replied"}))
    sent.refresh_from_db()
    assert (sent.status, AttentionItem.objects.count()) == (Status.SENT, 0)
    assert Receipt.objects.get().verdict == ReceiptVerdict.APPLIED


def test_a_mail_from_a_stranger_is_shown_and_belongs_to_nothing(sent):
    arrived(a_reply(sent, From="stranger@example.org"))
    assert Receipt.objects.get().verdict == ReceiptVerdict.UNMATCHED
    assert AttentionItem.objects.get().kind == AttentionKind.REPLY_RECEIVED


@pytest.mark.parametrize("secret", ["", "guess", SECRET + "x"])
def test_who_does_not_know_the_word_stores_nothing(secret):
    assert_problem(post(b"From: a@example.com\n\nHi", secret=secret), 403, "permission_denied")
    assert not Receipt.objects.exists()


def test_without_a_secret_in_the_environment_it_is_closed(settings):
    settings.INBOUND_MAIL_SECRET = ""
    assert_problem(post(b"From: a@example.com\n\nHi", secret=""), 403, "permission_denied")


def test_more_than_25_mb_are_refused():
    assert_problem(post(b"x" * (25 * 1024 * 1024 + 1)), 413, "too_large")


@pytest.mark.parametrize(
    ("raw", "verdict"),
    [
        pytest.param(b"", None, id="empty"),
        pytest.param(b"\x00\xff\xfe", ReceiptVerdict.UNMATCHED, id="no mail at all"),
        pytest.param(b"x" * 1_200_000, ReceiptVerdict.UNMATCHED, id="huge"),
        pytest.param(nested(3_000), ReceiptVerdict.REJECTED, id="endlessly nested"),
    ],
)
def test_hostile_mails_are_acknowledged_and_have_an_end(raw, verdict):
    from datetime import timedelta

    assert post(raw).status_code == 204
    for minutes in range(5):
        process_due(actor="worker:a", now=clock.now() + timedelta(minutes=minutes))
    found = Receipt.objects.values_list("verdict", flat=True).first()
    assert found == verdict


# -- The mailbox -------------------------------------------------------------------------------------------
@pytest.fixture
def box(settings, tmp_path, monkeypatch):
    with running_imap(tmp_path) as (box, certificate):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        settings.IMAP_HOST, settings.IMAP_PORT = "localhost", box.port
        settings.IMAP_USERNAME, settings.IMAP_PASSWORD, settings.IMAP_FOLDER = USER, PASSWORD, FOLDER
        yield box


def read() -> int:
    found = read_mailbox(now=clock.now())
    process_due(actor="worker:a", now=clock.now())
    return found


def test_the_mailbox_is_read_once(sent, box):
    uid = box.add(a_bounce(sent))
    assert (read(), read()) == (1, 0)
    sent.refresh_from_db()
    assert (sent.status, box.seen(uid)) == (Status.FAILED, True)


def test_a_mail_that_was_stored_and_not_marked_is_known_the_next_time(sent, box):
    uid = box.add(a_bounce(sent))
    box.hang_up_at = "UID STORE"
    assert read() == 0
    assert (Receipt.objects.count(), box.seen(uid)) == (1, False)
    assert AttentionItem.objects.get(kind=AttentionKind.MAILBOX_FAILING).resolved_at is None
    box.hang_up_at = ""
    assert read() == 1
    assert (Receipt.objects.count(), box.seen(uid)) == (1, True)
    assert AttentionItem.objects.get(kind=AttentionKind.MAILBOX_FAILING).resolved_at is not None


def test_a_mail_that_is_too_large_is_left_with_a_flag(box, monkeypatch):
    from communications.services import incoming_mail

    monkeypatch.setattr(incoming_mail, "MAX_MAIL_BYTES", 100)
    uid = box.add(b"From: a@example.com\n\n" + b"x" * 200)
    assert read() == 0
    assert box.flags[uid] == {"\\Seen", "\\Flagged"}
    assert not Receipt.objects.exists()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"IMAP_PASSWORD": "wrong"}, "sign_in_refused"),
        ({"IMAP_FOLDER": "Elsewhere"}, "no_such_folder"),
        ({"IMAP_PORT": 1}, "ConnectionRefusedError"),
    ],
)
def test_a_mailbox_that_cannot_be_read_is_shown(box, settings, change, code):
    for name, value in change.items():
        setattr(settings, name, value)
    assert read() == 0
    item = AttentionItem.objects.get()
    assert (item.kind, item.details) == (AttentionKind.MAILBOX_FAILING, {"code": code})


def test_a_certificate_that_nobody_vouches_for_is_refused(box, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    assert read() == 0
    assert AttentionItem.objects.get().details["code"] == ssl.SSLCertVerificationError.__name__
    assert "LOGIN" not in box.asked


def test_without_a_mailbox_nothing_is_asked(settings, django_assert_num_queries):
    settings.IMAP_HOST = ""
    now = clock.now()
    with django_assert_num_queries(0):
        assert read_mailbox(now=now) == 0
