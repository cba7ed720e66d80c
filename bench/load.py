"""Callers over HTTP: kept-open connections and as little work of their own as can be, for they share the cores."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """One connection; opened again when the server has closed it. Raises OSError when there is no answer."""

    def __init__(self, url: str, token: str, *, timeout: float = 30.0) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._timeout = timeout
        self._head = f"Host: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
        self._socket: socket.socket | None = None

    def post(
        self, path: str, body: bytes, *, content_type: str = "application/json", headers: str = ""
    ) -> Reply:
        """`headers`: further lines, each with its line break."""
        request = (
            f"POST {path} HTTP/1.1\r\n{self._head}Content-Type: {content_type}\r\n{headers}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._address, timeout=self._timeout)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(request.encode() + body)
            return self._read(self._socket)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _read(self, connection: socket.socket) -> Reply:
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more(connection)
        head, body = data[:end].lower(), data[end + 4 :]
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += self._more(connection)
        if b"connection: close" in head:
            self.close()
        return Reply(int(head.split(b" ", 2)[1]), body)

    @staticmethod
    def _more(connection: socket.socket) -> bytes:
        piece = connection.recv(262_144)
        if not piece:
            raise ConnectionError("The server closed the connection before its answer was complete.")
        return piece


@dataclass
class Load:
    """What several callers got: seconds per call, and answers that were not expected."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    refused: list[Reply] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds if self.seconds else 0.0


def run_callers(
    *,
    callers: int,
    seconds: float,
    most: int | None,
    make: Callable[[], Caller],
    call: Callable[[Caller, int], Reply],
) -> Load:
    """`callers` threads, each calling again as soon as it has its answer, for `seconds` or `most` calls in all."""
    load, lock, numbers = Load(), threading.Lock(), _numbers(most)
    begun = time.monotonic()

    def work() -> None:
        caller = make()
        while time.monotonic() - begun < seconds:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            started = time.monotonic()
            reply = call(caller, number)
            took = time.monotonic() - started
            with lock:
                if reply.status < 300:
                    load.latencies.append(took)
                else:
                    load.refused.append(reply)
        caller.close()

    with ThreadPoolExecutor(callers) as pool:
        for ended in [pool.submit(work) for _ in range(callers)]:
            ended.result()  # raises what went wrong in its thread
    load.seconds = time.monotonic() - begun
    return load


def _numbers(most: int | None) -> Iterator[int]:
    number = 0
    while most is None or number < most:
        yield number
        number += 1
