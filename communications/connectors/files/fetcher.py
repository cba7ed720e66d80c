"""Getting a file from an address that a caller gave: the one place that calls strangers' servers.

Against being sent to our own network (SSRF): the name is looked up once, every address that it has must be public, and
the connection goes to one of those, so a name that answers differently the next time changes nothing. A redirect is a
new address and is judged like the first. Nothing is unpacked; no cookies, no credentials, no proxies.
"""

import ipaddress
import re
import ssl
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit

import httpcore

from communications.connectors.files.addresses import PORTS, origin_of
from communications.connectors.name_lookup import look_up
from communications.rules.files import FileRefused, check_size

TOTAL_SECONDS: Final = 15.0
MAX_REDIRECTS: Final = 3
MAX_URL: Final = 2_000

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HOST: Final = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
# Addresses that hold an IPv4 address inside (RFC 6052): it is that one which is reached.
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def fetch_file(url: str, *, trusted_origins: Collection[str] = (), seconds: float = TOTAL_SECONDS) -> bytes:
    """The content behind `url`, at most as large as a file may be, within `seconds` in all.

    https to public addresses only; a trusted origin (`origin_of`) may be anywhere and speak plain http. Raises
    FileRefused with what to do.
    """
    deadline = time.monotonic() + seconds
    for _ in range(MAX_REDIRECTS + 1):
        answer = _get(_target(url, trusted_origins), deadline)
        if isinstance(answer, bytes):
            return answer
        url = urljoin(url, answer)
    raise FileRefused(
        f"The address redirects more than {MAX_REDIRECTS} times. Give the file’s own address.",
        code="too_many_redirects",
    )


def name_in(url: str) -> str:
    """The file's name as the address has it, without its ending, or ""."""
    name = unquote(urlsplit(url).path.rpartition("/")[2], errors="replace")
    return name.rpartition(".")[0] or name


@dataclass(frozen=True)
class _Target:
    """An address, taken apart and found fit to be called."""

    url: str
    host: str
    port: int
    is_trusted: bool


def _target(url: str, trusted_origins: Collection[str]) -> _Target:
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise _unusable()
    try:
        parts = urlsplit(url)
        origin = origin_of(url)
    except ValueError:
        raise _unusable() from None
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    if not _HOST.fullmatch(host):
        raise _unusable()
    if parts.username is not None or parts.password is not None:
        raise FileRefused("Leave name and password out of the address.", code="credentials_in_url")
    is_trusted = origin in trusted_origins
    if not is_trusted and (parts.scheme != "https" or port != PORTS["https"]):
        raise FileRefused(
            "Give an address that begins with https:// and names no port, or send the content itself.",
            code="not_https",
        )
    return _Target(parts._replace(fragment="").geturl(), host, port, is_trusted)


def _get(target: _Target, deadline: float) -> bytes | str:
    """The content, or where it is said to be instead."""
    backend = _CheckedBackend(target, deadline)
    with httpcore.ConnectionPool(
        ssl_context=_tls(), http2=False, retries=0, network_backend=backend, max_connections=1
    ) as pool:
        try:
            with pool.stream("GET", target.url, headers=_HEADERS) as response:
                if response.status in _REDIRECTS:
                    return _location(response)
                _check_head(response)
                return _read(response.iter_stream())
        except (httpcore.TimeoutException, TimeoutError):
            raise FileRefused(
                "The server took too long to send the file. Try again later, or send the content itself.",
                code="fetch_timeout",
            ) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError):
            raise FileRefused(
                "The server was not reached, or broke off. Check the address, or send the content itself.",
                code="fetch_failed",
            ) from None


_HEADERS: Final = [("Accept", "application/pdf, image/png, image/jpeg"), ("Accept-Encoding", "identity")]


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _location(response: httpcore.Response) -> str:
    location = _header(response, b"location")
    if not location:
        raise _no_file(response.status)
    return location


def _check_head(response: httpcore.Response) -> None:
    if response.status != 200:
        raise _no_file(response.status)
    if _header(response, b"content-encoding").lower() not in {"", "identity"}:
        # It could unpack to anything.
        raise FileRefused("The server sends the file packed. Offer it as it is.", code="packed_content")
    announced = _header(response, b"content-length")
    if announced.isdecimal():
        check_size(int(announced[:20]))


def _header(response: httpcore.Response, name: bytes) -> str:
    return (
        next((value for key, value in response.headers if key.lower() == name), b"").decode("latin-1").strip()
    )


def _read(chunks: Iterable[bytes]) -> bytes:
    """Whatever length was announced, no more than a file may have is kept."""
    content = bytearray()
    for chunk in chunks:
        content += chunk
        check_size(len(content))
    return bytes(content)


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to an address that was looked up and judged, and gives every step what is left of the time."""

    def __init__(self, target: _Target, deadline: float) -> None:
        self._target = target
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - httpcore's signature, here and below
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - as above
        local_address: str | None = None,  # noqa: ARG002 - as above
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 - as above
    ) -> httpcore.NetworkStream:
        left = _left(self._deadline)
        found = look_up(self._target.host, self._target.port, seconds=left)
        addresses = [str(entry[4][0]) for entry in found]
        if not self._target.is_trusted and not all(is_public(address) for address in addresses):
            raise FileRefused(
                "The address leads into a private network. Give one that anybody could open, or send the content "
                "itself.",
                code="private_address",
            )
        stream = self._inner.connect_tcp(addresses[0], port, timeout=_left(self._deadline))
        return _BoundedStream(stream, self._deadline)


class _BoundedStream(httpcore.NetworkStream):
    """A server that sends a byte now and then never meets a limit for each read: this one is for all of them."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - as above
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - as above
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - as above
    ) -> httpcore.NetworkStream:
        # The certificate has to be the name's, whichever address was taken.
        secured = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _BoundedStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet, seen through every way to write an IPv4 address as IPv6."""
    try:
        ip: _Address = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inside = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inside = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inside is not None:
            return is_public(str(inside))
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _unusable() -> FileRefused:
    return FileRefused(
        "This is no address that can be called. Write it as https://host/path.", code="invalid_url"
    )


def _no_file(status: int) -> FileRefused:
    return FileRefused(
        f"The server answered {status} instead of the file. Check the address, or send the content itself.",
        code="fetch_failed",
    )
