"""A caught mail made readable. Mails come as broken as anybody cares to send them; reading never fails."""

import email
from contextlib import suppress
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from html.parser import HTMLParser

SEARCHED_CHARACTERS = 500_000


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    content_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Reading:
    """`html` and `text` are the first part of each kind, None when the mail has none.

    `links` are (address, words) of the http(s) links in `html`, each address once, in order.
    """

    headers: list[tuple[str, str]]
    html: str | None = None
    text: str | None = None
    links: list[tuple[str, str]] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)

    def header(self, name: str) -> str:
        return next((value for known, value in self.headers if known.lower() == name), "")


def read_headers(head: bytes) -> Reading:
    """From the first bytes of a mail; the rest of it may be missing."""
    return Reading(_headers(email.message_from_bytes(head.partition(b"\r\n\r\n")[0])))


def read_mail(raw: bytes) -> Reading:
    try:
        message = email.message_from_bytes(raw)
        return _with_parts(message)
    except RecursionError:  # parts within parts within parts
        return read_headers(raw)


def _with_parts(message: Message) -> Reading:
    html = text = None
    attachments = []
    for part in message.walk():
        if part.is_multipart():
            continue
        kind = part.get_content_type()
        apart = part.get_content_disposition() == "attachment"
        if kind == "text/html" and html is None and not apart:
            html = _content(part)
        elif kind == "text/plain" and text is None and not apart:
            text = _content(part)
        else:
            name = _decoded(_surrogates_replaced(part.get_filename() or "without a name"))
            attachments.append(Attachment(name, kind, len(_octets(part))))
    return Reading(_headers(message), html, text, _web_links(html or ""), attachments)


def _headers(message: Message) -> list[tuple[str, str]]:
    return [(name, _decoded(_surrogates_replaced(str(value)))) for name, value in message.raw_items()]


def _surrogates_replaced(text: str) -> str:
    """The parser keeps octets above 127 as surrogates; most of them are UTF-8 that was not announced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _decoded(text: str) -> str:
    """Encoded words (RFC 2047) as text, on one line."""
    unfolded = "".join(text.splitlines())
    try:
        pieces = decode_header(unfolded)
    except (HeaderParseError, ValueError):
        return unfolded
    return "".join(p if isinstance(p, str) else _text(p, charset or "latin-1") for p, charset in pieces)


def _octets(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _content(part: Message) -> str:
    return _text(_octets(part), str(part.get_content_charset() or "utf-8"))


def _text(octets: bytes, charset: str) -> str:
    try:
        return octets.decode(charset, "replace")
    except (LookupError, ValueError):
        return octets.decode("utf-8", "replace")


def _web_links(html: str) -> list[tuple[str, str]]:
    finder = _LinkFinder()
    # The parser's way of saying that markup is broken beyond it; the links before that place stand.
    with suppress(AssertionError):
        finder.feed(html[:SEARCHED_CHARACTERS])
        finder.close()
    return [(address, " ".join(words.split())) for address, words in finder.found.items()]


class _LinkFinder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._open: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            address = (dict(attrs).get("href") or "").strip()
            self._open = address if address.lower().startswith(("http://", "https://")) else None
            if self._open:
                self.found.setdefault(self._open, "")

    def handle_data(self, data: str) -> None:
        if self._open:
            self.found[self._open] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._open = None
