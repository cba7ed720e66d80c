"""EML-10: the mail as bytes, read back with Python's own e-mail library."""

import email
import re
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage, Message
from email.policy import default
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communications.agents.email import (
    ComposedText,
    EmailEnvelope,
    MailPart,
    UnusableHeaderError,
    build_mime,
    new_message_id,
    thread_id,
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


PDF = MailPart("blueprint.pdf", "application/pdf", b"%PDF-1.7 \x00\xff" * 100)
LOGO = MailPart("logo.png", "image/png", b"\x89PNG\r\n\x1a\n" * 20, inline_id="logo")


def mime(
    *,
    subject: str = "Hello",
    text: str = "Hello\n",
    html: str | None = "<p>Hello</p>\n",
    parts: Sequence[MailPart] = (),
    **envelope: object,
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
    return build_mime(
        envelope=EmailEnvelope(**(filled | envelope)), composed=composed, html=html, parts=parts
    )


def tree(part: Message) -> object:
    """The content types as they nest."""
    if not part.is_multipart():
        return part.get_content_type()
    return {part.get_content_type(): [tree(inner) for inner in part.get_payload()]}


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
    assert tree(message) == {"multipart/alternative": ["text/plain", "text/html"]}


@pytest.mark.parametrize(
    ("html", "parts", "expected"),
    [
        pytest.param(None, [], "text/plain", id="text"),
        pytest.param(None, [PDF], {"multipart/mixed": ["text/plain", "application/pdf"]}, id="text, PDF"),
        pytest.param(
            "<p>a</p>",
            [LOGO],
            {"multipart/alternative": ["text/plain", {"multipart/related": ["text/html", "image/png"]}]},
            id="image",
        ),
        pytest.param(
            "<p>a</p>",
            [PDF],
            {
                "multipart/mixed": [
                    {"multipart/alternative": ["text/plain", "text/html"]},
                    "application/pdf",
                ]
            },
            id="PDF",
        ),
        pytest.param(
            "<p>a</p>",
            [PDF, LOGO, PDF],
            {
                "multipart/mixed": [
                    {
                        "multipart/alternative": [
                            "text/plain",
                            {"multipart/related": ["text/html", "image/png"]},
                        ]
                    },
                    "application/pdf",
                    "application/pdf",
                ]
            },
            id="everything",
        ),
        # An image has nothing to stand in when there is no HTML.
        pytest.param(None, [LOGO], "text/plain", id="text, image"),
    ],
)
def test_the_tree_has_no_level_more_than_it_needs(
    html: str | None, parts: list[MailPart], expected: object
) -> None:
    raw = mime(html=html, parts=parts)
    message = parse(raw)

    assert_fit_for_smtp(raw)
    assert tree(message) == expected
    assert message.get_body(("plain",)) is not None
    attachments = list(message.iter_attachments()) if message.is_multipart() else []
    if PDF in parts:
        assert attachments[-1].get_content() == PDF.content
        assert attachments[-1].get_filename() == "blueprint.pdf"
        assert attachments[-1].get_content_disposition() == "attachment"
    shown = [part for part in message.walk() if part["Content-ID"]]
    for part in shown:
        assert part["Content-ID"] == "<logo>"
        assert part.get_content_disposition() == "inline"
        assert part.get_content() == LOGO.content


@pytest.mark.parametrize(
    ("filename", "comes_back"),
    [
        ("Plan of Priya.pdf", None),
        ("Plan für Zoë.pdf", None),
        ("प्रिया की शादी — योजना.pdf", None),
        ("👰🏽" * 80 + ".pdf", "👰🏽" * 57 + "👰….pdf"),
        ('a";\r\nBcc: x@example.com', 'a"; Bcc: x@example.com'),
        ("../../etc/passwd", "..-..-etc-passwd"),
        ("c:\\temp\\x.pdf", "c:-temp-x.pdf"),
        ("", "attachment"),
        ("100%.pdf", None),
        ("a" * 119 + "%", None),
    ],
)
def test_file_name_comes_back(filename: str, comes_back: str | None) -> None:
    raw = mime(parts=[MailPart(filename, "application/pdf", b"%PDF-")])
    (attachment,) = parse(raw).iter_attachments()

    assert_fit_for_smtp(raw)
    assert attachment.get_filename() == (filename if comes_back is None else comes_back)


def test_headers_of_a_conversation() -> None:
    """One thread per plan, answers that find their way, and one click to unsubscribe (RFC 8058)."""
    thread = thread_id(UUID("01234567-89ab-cdef-0123-456789abcdef"), "planiva.example")
    raw = mime(
        reply_to="replies+mfrgg@in.planiva.example",
        thread=thread,
        list_id="clients.planiva.example",
        unsubscribe_url="https://crm.planiva.example/u/abc?x=1",
    )
    message = parse(raw)

    assert message["Reply-To"].addresses[0].addr_spec == "replies+mfrgg@in.planiva.example"
    assert message["In-Reply-To"] == message["References"] == thread
    assert thread == "<plan.0123456789abcdef0123456789abcdef@planiva.example>"
    assert message["List-Id"] == '"Planiva Event Planning" <clients.planiva.example>'
    assert message["List-Unsubscribe"] == "<https://crm.planiva.example/u/abc?x=1>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    "changes",
    [
        {"thread": "<x@y>\r\nBcc: a@b.example"},
        {"reply_to": "a@b.example\r\nBcc: a@b.example"},
        {"list_id": "clients"},
        {"list_id": "a.b>\r\nBcc: a@b.example"},
        {"unsubscribe_url": "https://a.example/>\r\nBcc: x"},
        {"unsubscribe_url": "javascript:alert(1)"},
        {"parts": [MailPart("a", "text/html\r\nBcc: x", b"")]},
        {"parts": [MailPart("a", "image/png", b"", inline_id="a>\r\nBcc: x")]},
    ],
)
def test_what_no_header_can_hold_is_refused(changes: dict) -> None:
    with pytest.raises(UnusableHeaderError):
        mime(**changes)


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


@given(subject=hostile, name=hostile, filename=hostile, text=hostile, html=hostile)
def test_no_value_can_make_a_header_or_a_part(
    subject: str, name: str, filename: str, text: str, html: str
) -> None:
    raw = mime(
        subject=subject,
        recipient_name=name,
        sender_name=name,
        text=text,
        html=html,
        parts=[MailPart(filename, "application/pdf", b"%PDF-")],
    )
    message = email.message_from_bytes(raw, policy=default)

    assert_fit_for_smtp(raw)
    assert list(message.keys()) == HEADERS
    assert tree(message) == {
        "multipart/mixed": [{"multipart/alternative": ["text/plain", "text/html"]}, "application/pdf"]
    }
    assert [address.addr_spec for address in message["To"].addresses] == ["priya@example.com"]
    assert [address.addr_spec for address in message["From"].addresses] == ["hello@planiva.example"]
