"""A small HTTP/1.1 server for the control API and the pages: loopback, trusted callers, no TLS."""

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

from sandbox.markup import PAGE_POLICY, page, render

logger = logging.getLogger("sandbox")

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 1024 * 1024

_BASE_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": PAGE_POLICY,
}


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    keep_alive: bool = False
    chunked_answer: bool = True
    matched: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> object:
        """The body as JSON; `HttpError` 400 when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise HttpError(400, "The body is not JSON. Send one JSON object, encoded as UTF-8.") from None

    @property
    def wants_page(self) -> bool:
        return "text/html" in self.headers.get("accept", "")


@dataclass(frozen=True, slots=True)
class Response:
    """`body` as an iterable is sent piece by piece, so that a long list never stands in memory."""

    body: bytes | Iterable[bytes]
    content_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpError(Exception):
    """An answer other than success, with a sentence that says what is allowed."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers or {}


class HangUp(Exception):
    """Raised by a handler: the connection ends without an answer."""


Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """`path` is a regular expression for the whole path; its named groups arrive as `Request.matched`."""

    method: str
    path: str
    handler: Handler


def json_response(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(value).encode() + b"\n", "application/json", status, headers or {})


def page_response(text: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Replaces what UTF-8 cannot carry: a lone surrogate from an odd mail must not break the page."""
    return Response(text.encode("utf-8", "replace"), "text/html; charset=utf-8", status, headers or {})


def redirect(location: str, *, status: int = 308) -> Response:
    return Response(b"", "text/plain; charset=utf-8", status, {"Location": location})


class HttpServer:
    """Serves `routes`; every open connection ends with `stop`."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [(route, re.compile(route.path)) for route in routes]
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None

    async def start(self, *, host: str, port: int) -> int:
        """Returns the port that is listened on (`port` 0 takes a free one)."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=MAX_HEAD_BYTES, backlog=512)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for task, writer in self._connections.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        try:
            # Cancelled by `stop` only, which waits for this task and closes the connection itself.
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            del self._connections[task]
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether another may follow on this connection."""
        try:
            request = await _read_request(reader)
        except HttpError as error:
            unread = Request("GET", "", {}, {}, b"")
            await _write_response(writer, unread, _refused(unread, error))
            return False
        try:
            answer = await self._answer(request)
        except HangUp:
            return False
        await _write_response(writer, request, answer)
        return request.keep_alive

    async def _answer(self, request: Request) -> Response:
        try:
            handler, matched = self._find(request)
            return await handler(replace(request, matched=matched))
        except HttpError as error:
            return _refused(request, error)
        except HangUp:
            raise
        except Exception:
            # A stand-in that dies would stop the whole stack over one odd mail or request.
            logger.exception("A request to the sandbox failed")
            return _refused(request, HttpError(500, "The sandbox made a mistake here. Its log says more."))

    def _find(self, request: Request) -> tuple[Handler, Mapping[str, str]]:
        method = "GET" if request.method == "HEAD" else request.method
        allowed = set()
        for route, pattern in self._routes:
            match = pattern.fullmatch(request.path)
            if match and route.method == method:
                return route.handler, match.groupdict()
            if match:
                allowed.add(route.method)
        if not allowed:
            raise HttpError(404, "There is nothing at this address.")
        names = ", ".join(sorted(allowed | ({"HEAD"} if "GET" in allowed else set())))
        raise HttpError(405, f"This address answers {names} only.", {"Allow": names})


_ERROR_PAGE = """<h1>{title}</h1>
<p class="said">{sentence}</p>
<p><a href="/">To the first page</a></p>
"""


def _refused(request: Request, error: HttpError) -> Response:
    if not request.wants_page:
        return json_response({"error": error.sentence}, status=error.status, headers=error.headers)
    title = HTTPStatus(error.status).phrase
    body = render(_ERROR_PAGE, title=title, sentence=error.sentence)
    return page_response(page(title=title, body=body), status=error.status, headers=error.headers)


async def _read_request(reader: asyncio.StreamReader) -> Request:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise HttpError(431, f"The request's head is longer than {MAX_HEAD_BYTES} bytes.") from None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    parts = first.split(" ")
    if len(parts) != 3 or not re.fullmatch(r"HTTP/1\.[01]", parts[2]):
        raise HttpError(400, "The first line is not an HTTP/1.1 request.")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    body = await _read_body(reader, headers)
    try:
        url = urlsplit(parts[1])
        query = dict(parse_qsl(url.query, keep_blank_values=True))
    except ValueError:
        raise HttpError(400, "The address cannot be read.") from None
    newer = parts[2] == "HTTP/1.1"
    keep_alive = newer and headers.get("connection", "").lower() != "close"
    return Request(parts[0], unquote(url.path), query, headers, body, keep_alive, newer)


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "transfer-encoding" in headers:
        raise HttpError(411, "Send the body with a Content-Length, not in chunks.")
    length = headers.get("content-length", "0")
    if not re.fullmatch(r"[0-9]{1,12}", length):
        raise HttpError(400, "Content-Length must be a number of bytes.")
    if int(length) > MAX_BODY_BYTES:
        raise HttpError(413, f"The body may have at most {MAX_BODY_BYTES} bytes.")
    return await reader.readexactly(int(length))


async def _write_response(writer: asyncio.StreamWriter, request: Request, response: Response) -> None:
    headers = {**_BASE_HEADERS, "Content-Type": response.content_type, **response.headers}
    headers["Connection"] = "keep-alive" if request.keep_alive else "close"
    if isinstance(response.body, bytes):
        headers["Content-Length"] = str(len(response.body))
        pieces: Iterator[bytes] = iter([response.body])
    elif request.chunked_answer:
        headers["Transfer-Encoding"] = "chunked"
        pieces = _chunked(response.body)
    else:
        pieces = iter(response.body)
    lines = [f"HTTP/1.1 {response.status} {_phrase(response.status)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))
    for piece in pieces if request.method != "HEAD" else ():
        writer.write(piece)
        await writer.drain()
    await writer.drain()


def _phrase(status: int) -> str:
    """A stand-in may be told to answer a status that no standard knows."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _chunked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if piece:
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"
