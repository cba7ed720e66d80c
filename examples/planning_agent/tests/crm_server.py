"""A CRM of the tests' own: a local HTTP server that answers as it is told, and remembers what it was asked."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class Asked:
    path: str
    headers: Message
    body: dict[str, Any]


Behaviour = Callable[["CrmServer", Asked, socket.socket], Reply | None]
"""Answers by returning a reply, or by itself on the socket, and then returns None."""


class CrmServer:
    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.asked: list[Asked] = []
        self.stopping = threading.Event()
        self.url = ""

    @contextlib.contextmanager
    def running(self) -> Iterator["CrmServer"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            self.stopping.set()
            server.shutdown()
            thread.join()
            server.server_close()

    def of_type(self, message_type: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.body.get("message_type") == message_type]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        crm = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                asked = Asked(self.path, self.headers, json.loads(self.rfile.read(length)))
                crm.asked.append(asked)
                with contextlib.suppress(OSError):  # the client hung up
                    self._answer(crm.behaviour(crm, asked, self.connection))

            def _answer(self, reply: Reply | None) -> None:
                if reply is None:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        return Handler


def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def says(status: int, body: bytes | dict[str, Any] | list[Any], **headers: str) -> Behaviour:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _crm, _asked, _socket: Reply(status, data, {**JSON, **named})


def accepts(crm: CrmServer, asked: Asked, _connection: socket.socket) -> Reply:
    """As the CRM does: new ones are scheduled, and one with the key of an earlier one is its duplicate."""
    key = asked.headers["Idempotency-Key"]
    keys = list(dict.fromkeys(each.headers["Idempotency-Key"] for each in crm.asked))
    number = keys.index(key)
    is_duplicate = [each.headers["Idempotency-Key"] for each in crm.asked].count(key) > 1
    body = {
        "request_id": f"request-{number}",
        "duplicate": is_duplicate,
        "communication_id": f"communication-{number}",
        "status": "scheduled",
        "channel_used": "email",
        "scheduled_at": f"2026-11-21T09:{number:02}:00+05:30",
        "sent_at": None,
        "error_message": None,
        "strategy": {"reasons": [{"code": "detailed_email_first", "text": "E-mail goes first."}]},
    }
    return Reply(200 if is_duplicate else 202, json.dumps(body).encode(), JSON)


def fails_first(times: int, failing: Behaviour) -> Behaviour:
    """The first calls fail, then all are accepted."""

    def behave(crm: CrmServer, asked: Asked, connection: socket.socket) -> Reply | None:
        return (failing if len(crm.asked) <= times else accepts)(crm, asked, connection)

    return behave


def hangs(crm: CrmServer, _asked: Asked, _connection: socket.socket) -> None:
    crm.stopping.wait(20)


def hangs_up(_crm: CrmServer, _asked: Asked, connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def breaks_off(_crm: CrmServer, _asked: Asked, connection: socket.socket) -> None:
    connection.sendall(b'HTTP/1.1 202 Accepted\r\nContent-Length: 5000\r\n\r\n{"status": "sched')


def speaks_no_http(_crm: CrmServer, _asked: Asked, connection: socket.socket) -> None:
    connection.sendall(b"220 mail.example ESMTP\r\n")


def drips(start: bytes, drop: bytes) -> Behaviour:
    """Each byte comes well before a limit per read would end the call; the end never comes."""

    def behave(crm: CrmServer, _asked: Asked, connection: socket.socket) -> None:
        connection.sendall(start)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not crm.stopping.wait(0.05):
            connection.sendall(drop)

    return behave
