"""One kept-open SMTP connection, with a total time limit on everything it does."""

import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from smtplib import quoteaddr

from communications.connectors.name_lookup import look_up

_LIMIT_PER_CONNECTION = 100  # messages; many servers refuse more on one connection
_GO_AHEAD = 354
_MAX_IDLE_SECONDS = 25.0  # below the half-minute after which common servers hang up


@dataclass(frozen=True)
class SmtpSettings:
    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)
    use_tls: bool = True
    local_hostname: str | None = None


class TlsNotOfferedError(smtplib.SMTPException):
    """TLS is required and the server does not offer STARTTLS."""


@cache
def _tls_context() -> ssl.SSLContext:
    """The system's certificate authorities, read once: that takes longer than a mail."""
    return ssl.create_default_context()


class _Client(smtplib.SMTP):
    # The name that starttls checks the certificate against; smtplib sets it in its constructor alone.
    _host: str

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """smtplib's way to a connection, but `timeout` bounds the look-up of the name and all addresses together."""
        deadline = time.monotonic() + timeout
        failed: OSError = TimeoutError()
        for family, kind, protocol, _, address in look_up(host, port, seconds=timeout):
            made = socket.socket(family, kind, protocol)
            made.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                made.connect(address)
            except OSError as error:
                made.close()
                failed = error
            else:
                return made
        raise failed


class SmtpConnection:
    """Serves one call at a time. Methods raise smtplib's and the operating system's errors as they come."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._client = _Client(local_hostname=settings.local_hostname)
        self.messages = 0
        self._unread = 0
        self.last_used = time.monotonic()

    def open(self, seconds: float) -> None:
        """Connect, secure, sign in; no single wait is longer than `seconds`."""
        settings = self._settings
        self._client.timeout = max(seconds, 0.001)
        code, reply = self._client.connect(settings.host, settings.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, reply)
        self._client.ehlo_or_helo_if_needed()
        if settings.use_tls:
            if not self._client.has_extn("starttls"):
                raise TlsNotOfferedError("STARTTLS is not offered")
            self._client._host = settings.host
            self._client.starttls(context=_tls_context())
            self._client.ehlo_or_helo_if_needed()
        if settings.username:
            self._client.login(settings.username, settings.password)

    @property
    def reusable(self) -> bool:
        idle = time.monotonic() - self.last_used
        return self.messages < _LIMIT_PER_CONNECTION and idle < _MAX_IDLE_SECONDS

    @property
    def usable(self) -> bool:
        return self._client.sock is not None

    def limit(self, seconds: float) -> None:
        """No single wait on the socket is longer than this; the watchdog bounds their sum."""
        if self._client.sock is not None:
            self._client.sock.settimeout(max(seconds, 0.001))

    def announce(self, sender: str, recipient: str) -> Iterator[tuple[int, str]]:
        """The replies to MAIL, RCPT and DATA, as they are asked for. Where the server offers PIPELINING (RFC 2920) all
        three leave at once, which saves two round trips; `reset` reads what was not asked for."""
        commands = [f"MAIL FROM:{quoteaddr(sender)}", f"RCPT TO:{quoteaddr(recipient)}", "DATA"]
        if any("\r" in command or "\n" in command for command in commands):
            raise ValueError("an address with a line break")
        pipelined = self._client.has_extn("pipelining")
        self._unread = 0
        if pipelined:
            self._client.send("".join(f"{command}\r\n" for command in commands))
            self._unread = len(commands)
        for command in commands:
            if not pipelined:
                self._client.putcmd(command)
                self._unread = 1
            reply = self._client.getreply()
            self._unread -= 1
            yield _reply(reply)

    def body(self, payload: bytes) -> tuple[int, str]:
        """The message and its final dot. An error in here leaves the outcome unknown."""
        if payload.startswith(b"."):
            payload = b"." + payload
        quoted = payload.replace(b"\r\n.", b"\r\n..")
        self._client.send(quoted + (b".\r\n" if quoted.endswith(b"\r\n") else b"\r\n.\r\n"))
        self.messages += 1
        return _reply(self._client.getreply())

    def reset(self) -> None:
        """Ready for the next message; a connection that will not is closed (the refusal stands all the same)."""
        try:
            while self._unread:
                code, _ = self._client.getreply()
                self._unread -= 1
                if code == _GO_AHEAD:
                    # It waits for a message that it has no recipient for. Hanging up sends none.
                    self.close()
                    return
            self._client.docmd("RSET")
        except (smtplib.SMTPException, OSError):
            self.close()

    def abort(self) -> None:
        """Break off whatever waits on the socket; callable from another thread."""
        sock = self._client.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # already gone, which is what was wanted

    def close(self) -> None:
        self._client.close()


def _reply(reply: tuple[int, bytes]) -> tuple[int, str]:
    code, text = reply
    return code, text.decode("utf-8", "replace")
