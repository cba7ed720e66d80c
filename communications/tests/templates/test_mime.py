"""EML-10: the mail as bytes, read back with Python's own e-mail library."""

import email
import re
from datetime import datetime
from email.message import EmailMessage
from email.policy import default
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communications.agents.email import (
    ComposedText,
    EmailEnvelope,
    UnusableHeaderError,
    build_mime,
    new_message_id,
)

MESSAGE_ID = "<0123456789abcdef0123456789abcdef@planiva.example>"
HEADERS = [
    "From",
    "To",
    "Subject",
    "Message-ID",
    "Date",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
]


def mime(
    *, subject: str = "Hello", text: str = "Hello\n", html: str | None = "<p>Hello</p>\n", **envelope: object
) -> bytes:
    filled: dict = {
        "sender_name": "Planiva Event Planning",
        "sender_address": "hello@planiva.example",
        "recipient_name": "Priya Sharma",
        "recipient_address": "priya@example.com",
        "message_id": MESSAGE_ID,
        "date": datetime(2026, 11, 21, 14, 30, tzinfo=ZoneInfo("Asia/Kolkata")),
    }
    composed = ComposedText(subject=subject, preview="", text=text, degraded="")
    return build_mime(envelope=EmailEnvelope(**(filled | envelope)), composed=composed, html=html)


def parse(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    for part in message.walk():
        assert not part.defects
    return message


def assert_fit_for_smtp(raw: bytes) -> None:
    assert raw.isascii()
    assert raw.endswith(b"\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\x00", raw)
    assert max(len(line) for line in raw.split(b"\r\n")) <= 78


def read(part: EmailMessage) -> str:
    """Lines end as in Python; on the wire they end as in SMTP."""
    return part.get_content().replace("\r\n", "\n")


def bodies(message: EmailMessage) -> tuple[str, str]:
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    return read(text), read(html)


def test_tree_and_headers() -> None:
    raw = mime()
    message = parse(raw)

    assert_fit_for_smtp(raw)
    assert list(message.keys()) == HEADERS
    assert message["From"].addresses[0].display_name == "Planiva Event Planning"
    assert message["From"].addresses[0].addr_spec == "hello@planiva.example"
    assert message["To"].addresses[0].display_name == "Priya Sharma"
    assert message["To"].addresses[0].addr_spec == "priya@example.com"
    assert message["Message-ID"] == MESSAGE_ID
    assert message["Date"] == "Sat, 21 Nov 2026 14:30:00 +0530"
    assert message["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]


def test_text_alone_when_there_is_no_html() -> None:
    message = parse(mime(html=None))

    assert message.get_content_type() == "text/plain"
    assert read(message) == "Hello\n"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("Hello\n", id="plain"),
        pytest.param("Zoë wählt ₹15,00,000 = 15 lakh\n", id="mostly ASCII"),
        pytest.param("प्रिय प्रिया, आपका स्वागत है\n" * 40, id="devanagari"),
        pytest.param("👰🏽‍♀️🎉" * 200 + "\n", id="emoji"),
        pytest.param("x" * 5000 + "\n", id="one long word"),
        pytest.param(".\n..\nFrom here\n trailing \n--\n=_x\n", id="what SMTP and mbox trip over"),
        pytest.param("\n" * 5 + "a\n", id="empty lines first"),
    ],
)
def test_content_comes_back_as_it_was(content: str) -> None:
    raw = mime(text=content, html=content)

    assert_fit_for_smtp(raw)
    assert bodies(parse(raw)) == (content, content)


def test_scripts_that_are_not_ascii_are_carried_in_base64() -> None:
    assert b"Content-Transfer-Encoding: base64" in mime(text="प्रिया" * 10)
    assert b"Content-Transfer-Encoding: base64" not in mime(text="Zoë " + "a" * 20)


@pytest.mark.parametrize(
    "subject",
    [
        "Hello",
        "Zoë, your plan is open",
        "प्रिया, आपकी योजना" * 5,
        "=?utf-8?b?SGFjaw==?=",
        "a" * 199,
        "many words " * 15,
        "👰🏽" * 60,
    ],
)
def test_subject_comes_back_as_it_was(subject: str) -> None:
    raw = mime(subject=subject)

    assert_fit_for_smtp(raw)
    assert parse(raw)["Subject"] == subject.strip()


def test_address_of_another_script_becomes_idna() -> None:
    message = parse(mime(recipient_address="priya@bücher.example"))

    assert message["To"].addresses[0].addr_spec == "priya@xn--bcher-kva.example"


@pytest.mark.parametrize(
    "address",
    [
        "priya@example.com\r\nBcc: x@example.com",
        "a@example.com, b@example.com",
        "<a@example.com>",
        "priya",
        "",
        "प्रिया@example.com",
        "a b@example.com",
    ],
)
def test_address_that_no_header_can_hold_is_refused(address: str) -> None:
    with pytest.raises(UnusableHeaderError) as refused:
        mime(recipient_address=address)

    assert address == "" or address not in str(refused.value)


@pytest.mark.parametrize("message_id", ["x@y", "<x@y>\r\nBcc: a@b.example", "<x>", "<x y@z>"])
def test_message_id_must_be_one(message_id: str) -> None:
    with pytest.raises(UnusableHeaderError):
        mime(message_id=message_id)


def test_message_id_names_the_attempt() -> None:
    attempt = UUID("01234567-89ab-cdef-0123-456789abcdef")

    assert new_message_id(attempt, "planiva.example") == MESSAGE_ID


hostile = st.text(st.one_of(st.sampled_from('\r\n\0\t :<>"@=?,;'), st.characters()), max_size=300)


@given(subject=hostile, recipient_name=hostile, sender_name=hostile, text=hostile, html=hostile)
def test_no_value_can_make_a_header_or_a_part(
    subject: str, recipient_name: str, sender_name: str, text: str, html: str
) -> None:
    raw = mime(subject=subject, recipient_name=recipient_name, sender_name=sender_name, text=text, html=html)
    message = email.message_from_bytes(raw, policy=default)

    assert_fit_for_smtp(raw)
    assert list(message.keys()) == HEADERS
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    assert [address.addr_spec for address in message["To"].addresses] == ["priya@example.com"]
    assert [address.addr_spec for address in message["From"].addresses] == ["hello@planiva.example"]
