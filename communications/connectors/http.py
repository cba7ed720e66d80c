"""HTTP to providers: pooled connections, one total time limit for each call, and how sure we are of its end.

A limit per read is not enough: a server that sends a byte now and then is never late by it. So every wait on a socket
is cut to what is left of the call's time, in the one place through which all of them go. Nothing is sent twice: a
request that may have left is never repeated here.
"""

import json
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

import httpcore
import httpx

from communications.connectors.name_lookup import look_up

_KEPT_IDLE_SECONDS: Final = 15.0  # below what common load balancers keep a silent connection for
_LONGEST_ANSWER: Final = 1_000_000  # bytes
_WRITTEN_AT_ONCE: Final = 65_536  # bytes; one write gets a limit of its own from the socket
_deadline: ContextVar[float] = ContextVar("deadline")  # monotonic seconds, of the call that this thread makes


class NotSent(Exception):
    """The request surely did not leave as a whole, so nobody can have acted on it."""


class NoAnswer(Exception):
    """The request may have arrived; nobody can tell."""


@dataclass(frozen=True)
class Answer:
    """`headers` by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object; empty where it is none."""
        try:
            said = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return said if isinstance(said, dict) else {}


class HttpCaller:
    """Threads share it. `limit_seconds` bounds a whole call, looking the server's name up included."""

    def __init__(self, *, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._client = httpx.Client(transport=_Transport(), trust_env=False, follow_redirects=False)

    def call(self, method: str, url: str, *, auth: tuple[str, str] | None = None, **request: Any) -> Answer:
        """One request, with the arguments of `httpx.Client.build_request`; `auth` is for Basic. Raises NotSent and
        NoAnswer."""
        token = _deadline.set(time.monotonic() + self._limit_seconds)
        try:
            built = self._client.build_request(method, url, timeout=self._limit_seconds, **request)
            response = self._client.send(built, auth=auth, stream=True)
            try:
                body = _read(response)
            finally:
                response.close()
        except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout) as error:
            raise NotSent(type(error).__name__) from error
        except httpcore.WriteTimeout as error:
            # Not all of it could be handed over, and no server acts on a part of a request.
            raise NotSent(type(error).__name__) from error
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise NoAnswer(type(error).__name__) from error
        finally:
            _deadline.reset(token)
        return Answer(response.status_code, dict(response.headers), body)

    def close(self) -> None:
        self._client.close()


def _read(response: httpx.Response) -> bytes:
    pieces, size = [], 0
    for piece in response.iter_bytes():
        size += len(piece)
        if size > _LONGEST_ANSWER:
            raise httpcore.RemoteProtocolError("longer than any answer of a provider")
        pieces.append(piece)
    return b"".join(pieces)


class _Transport(httpx.BaseTransport):
    """httpx's own transport, but over connections that know the call's deadline. Raises httpcore's errors."""

    def __init__(self) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=_tls_context(),
            max_connections=None,
            keepalive_expiry=_KEPT_IDLE_SECONDS,
            retries=0,
            network_backend=_Backend(),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=cast(Iterable[bytes], request.stream),
                extensions=request.extensions,
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class _Backend(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """The look-up of the name and all its addresses share the call's time."""
        try:
            addresses = look_up(host, port, seconds=_left(timeout, httpcore.ConnectTimeout))
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("name look-up") from error
        except OSError as error:
            raise httpcore.ConnectError("name look-up") from error
        failed: Exception = httpcore.ConnectError("no address")
        for _, _, _, _, address in addresses:
            seconds = _left(timeout, httpcore.ConnectTimeout)
            try:
                stream = self._sockets.connect_tcp(address[0], port, seconds, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _Stream(stream)
        raise failed


class _Stream(httpcore.NetworkStream):
    """Every wait ends when the call's time does."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITTEN_AT_ONCE):
            piece = buffer[start : start + _WRITTEN_AT_ONCE]
            self._stream.write(piece, _left(timeout, httpcore.WriteTimeout))

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        seconds = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, seconds))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()


def _left(timeout: float | None, error: type[Exception]) -> float:
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise error("the call's time is over")
    return left if timeout is None else min(timeout, left)


@cache
def _tls_context() -> ssl.SSLContext:
    """The system's certificate authorities, read once."""
    return ssl.create_default_context()
