"""The pages for people under /smtp/: what arrived, newest first, and one mail at a time. No script."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files

from sandbox.markup import Markup, joined, page, render
from sandbox.smtp.behaviour import Control, Mode
from sandbox.smtp.reading import Attachment, Reading, read_headers, read_mail
from sandbox.smtp.store import MAX_HEADER_BYTES, Caught, MessageStore
from sandbox.web import HttpError, Request, Response, Route, page_response, redirect

MAILS_ON_A_PAGE = 50
SHOWN_CHARACTERS = 200_000
NO_SENDER = "(empty, as for a bounce)"
PREVIEW_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)
"""The mail's own styles and the pictures inside it; nothing is fetched, nothing runs, no origin."""


class Pages:
    def __init__(self, store: MessageStore, control: Control) -> None:
        self._store = store
        self._control = control

    def routes(self) -> Sequence[Route]:
        mail = r"/smtp/mail/(?P<id>[0-9]{1,15})"
        return [
            Route("GET", "/smtp", self.to_list),
            Route("GET", "/smtp/", self.list_page),
            Route("GET", mail, self.mail_page),
            Route("GET", f"{mail}/html", self.preview),
            Route("GET", f"{mail}/raw", self.raw),
        ]

    async def to_list(self, _request: Request) -> Response:
        return redirect("/smtp/")

    async def list_page(self, request: Request) -> Response:
        before = request.query.get("before", "")
        newest = last = self._store.next_id - 1
        if before.isascii() and before.isdigit() and len(before) < 16:
            newest = min(newest, int(before) - 1)
        oldest = max(self._store.first_id, newest - MAILS_ON_A_PAGE + 1)
        rows = [self._row(number) for number in range(newest, oldest - 1, -1)]
        count = len(self._store)
        body = render(
            _part("list.html"),
            count="No mail yet" if not count else "1 mail" if count == 1 else f"{count:,} mails",
            order=f"newest first, times in {datetime.now().astimezone():%Z}" if count else "",
            notice=_notice(self._control),
            mails=render(_part("rows.html"), rows=joined(*rows)) if rows else render(_part("empty.html")),
            pager=_pager(
                newer=f"/smtp/?before={newest + MAILS_ON_A_PAGE + 1}" if newest < last else None,
                older=f"/smtp/?before={oldest}" if oldest > self._store.first_id else None,
            ),
        )
        return page_response(page(title="Caught mail", body=body))

    def _row(self, number: int) -> Markup:
        caught = self._store.get(number)
        if caught is None:
            return Markup()
        head = read_headers(self._store.raw(number, limit=MAX_HEADER_BYTES) or b"")
        return render(
            _part("row.html"),
            id=number,
            time=_time(caught.received_at, with_zone=False),
            sender=caught.sender or NO_SENDER,
            recipients=_recipients(caught),
            subject=head.header("subject").strip() or "(no subject)",
        )

    async def mail_page(self, request: Request) -> Response:
        caught, raw = self._wanted(request)
        reading = await asyncio.to_thread(read_mail, raw)
        number = caught.id
        subject = reading.header("subject").strip() or "(no subject)"
        body = render(
            _part("mail.html"),
            id=number,
            subject=subject,
            time=_time(caught.received_at),
            sender=caught.sender or NO_SENDER,
            recipients=", ".join(caught.recipients),
            message_id=caught.message_id or "(none)",
            size=_size(caught.size_bytes),
            content=joined(*_content(number, reading)),
            headers=joined(*(render(_part("header.html"), name=n, value=v) for n, v in reading.headers)),
            source=_shortened(raw[: SHOWN_CHARACTERS + 1].decode("utf-8", "replace")),
            pager=_pager(
                newer=f"/smtp/mail/{number + 1}" if number + 1 < self._store.next_id else None,
                older=f"/smtp/mail/{number - 1}" if number > self._store.first_id else None,
            ),
        )
        return page_response(page(title=subject, body=body))

    async def preview(self, request: Request) -> Response:
        caught, raw = self._wanted(request)
        reading = await asyncio.to_thread(read_mail, raw)
        if reading.html is None:
            raise HttpError(404, f"Mail {caught.id} has no HTML part.")
        return page_response(reading.html, headers={"Content-Security-Policy": PREVIEW_POLICY})

    async def raw(self, request: Request) -> Response:
        caught, raw = self._wanted(request)
        attached = {"Content-Disposition": f'attachment; filename="mail-{caught.id}.eml"'}
        return Response(raw, "message/rfc822", headers=attached)

    def _wanted(self, request: Request) -> tuple[Caught, bytes]:
        number = int(request.matched["id"])
        caught, raw = self._store.get(number), self._store.raw(number)
        if caught is None or raw is None:
            raise HttpError(404, f"There is no mail {number}. It may have been deleted.")
        return caught, raw


def _content(number: int, reading: Reading) -> list[Markup]:
    sections = []
    if reading.html is not None:
        sections.append(render(_part("preview.html"), id=number))
    if reading.links:
        shown = (render(_part("link.html"), address=a, words=w or "(picture)") for a, w in reading.links)
        sections.append(render(_part("links.html"), count=len(reading.links), links=joined(*shown)))
    if reading.text is not None:
        sections.append(render(_part("text.html"), text=_shortened(reading.text)))
    if reading.attachments:
        shown = (_attachment(attachment) for attachment in reading.attachments)
        sections.append(render(_part("attachments.html"), attachments=joined(*shown)))
    if not sections:
        sections.append(render("<p>This mail has no part that can be shown. Its source is below.</p>"))
    return sections


def _attachment(attachment: Attachment) -> Markup:
    return render(
        "<li><bdi>{name}</bdi> <span class=quiet>{kind}, {size}</span></li>",
        name=attachment.name,
        kind=attachment.content_type,
        size=_size(attachment.size_bytes),
    )


def _notice(control: Control) -> Markup:
    """What the next senders will meet, when it is not plain acceptance."""
    behaviour = control.current
    if behaviour.mode is Mode.ACCEPT:
        return Markup()
    what = {
        Mode.REFUSE: f"refused at {behaviour.stage} with “{behaviour.code} {behaviour.text}”",
        Mode.DELAY: f"kept, but answered only after {behaviour.seconds:g} s",
        Mode.DROP_BEFORE_DATA: "cut off before their data",
        Mode.DROP_AFTER_DATA: "kept, but cut off without an answer",
    }[behaviour.mode]
    share = "" if behaviour.ratio == 1 else f"{behaviour.ratio:.0%} of "
    which = "all mails are" if behaviour.count is None else f"the next {behaviour.count} mails are"
    if behaviour.count == 1:
        which = "the next mail is"
    return render(_part("notice.html"), sentence=f"{share}{which} {what}.")


def _pager(*, newer: str | None, older: str | None) -> Markup:
    links = [
        render('<a class="{kind}" href="{to}">{words}</a>', kind=kind, to=to, words=kind.capitalize())
        for kind, to in (("newer", newer), ("older", older))
        if to
    ]
    return render("<nav class=pager>{links}</nav>", links=joined(*links)) if links else Markup()


def _recipients(caught: Caught) -> str:
    more = len(caught.recipients) - 1
    return caught.recipients[0] + (f" and {more} more" if more else "")


def _time(at: datetime, *, with_zone: bool = True) -> Markup:
    """In this computer's zone, which the list names once."""
    local = at.astimezone()
    words = f"{local:%a} {local.day} {local:%b, %H:%M:%S}" + (f" {local:%Z}" if with_zone else "")
    return render('<time datetime="{at}">{words}</time>', at=at.isoformat(), words=words)


def _size(size_bytes: int) -> str:
    if size_bytes < 1000:
        return f"{size_bytes} B"
    return f"{size_bytes / 1000:.1f} kB" if size_bytes < 1_000_000 else f"{size_bytes / 1_000_000:.1f} MB"


def _shortened(text: str) -> str:
    if len(text) <= SHOWN_CHARACTERS:
        return text
    return f"{text[:SHOWN_CHARACTERS]}\n[Shortened here. The whole mail is in the downloaded source.]"


def _part(name: str) -> str:
    return _PARTS[name]


_PARTS = {
    entry.name: entry.read_text("utf-8") for entry in files("sandbox.smtp").joinpath("templates").iterdir()
}
