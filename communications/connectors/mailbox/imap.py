"""Reading a mailbox over IMAP (RFC 9051), always over TLS. Nothing is deleted: what was read is marked as seen."""

import imaplib
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

TIMEOUT_SECONDS: Final = 30
_SIZE: Final = re.compile(rb"RFC822\.SIZE (\d+)")


@dataclass(frozen=True)
class ImapSettings:
    host: str
    port: int
    username: str
    password: str = field(repr=False)
    folder: str


class MailboxError(Exception):
    """The server was not reached, or refused. `code` is safe for logs; the server's words are not kept."""

    def __init__(self, code: str) -> None:
        super().__init__(f"The mailbox cannot be read ({code}).")
        self.code = code


class Mailbox:
    """An open folder. Mails are named by their UID."""

    def __init__(self, server: imaplib.IMAP4_SSL) -> None:
        self._server = server

    def unseen(self) -> list[str]:
        """What nobody has read, the oldest first."""
        found = self._ask("SEARCH", "UNSEEN")
        return found[0].decode("ascii").split() if found and isinstance(found[0], bytes) else []

    def size(self, uid: str) -> int:
        """In bytes; 0 when the server does not say."""
        for item in self._ask("FETCH", uid, "(RFC822.SIZE)"):
            found = _SIZE.search(item if isinstance(item, bytes) else b"")
            if found:
                return int(found[1])
        return 0

    def fetch(self, uid: str) -> bytes | None:
        """The mail as it came; None when it is gone meanwhile. It is not marked as seen by that."""
        for item in self._ask("FETCH", uid, "(BODY.PEEK[])"):
            if isinstance(item, tuple) and isinstance(item[1], bytes):
                return item[1]
        return None

    def mark(self, uid: str, *, flags: str = r"(\Seen)") -> None:
        self._ask("STORE", uid, "+FLAGS.SILENT", flags)

    def _ask(self, command: str, *arguments: str) -> list[Any]:
        status, answer = self._server.uid(command, *arguments)
        if status != "OK":
            raise MailboxError(f"{command.lower()}_refused")
        return answer


@contextmanager
def open_mailbox(settings: ImapSettings) -> Iterator[Mailbox]:
    """Raises MailboxError, also for what goes wrong while it is open."""
    try:
        # Certificates and host name are checked by the default context.
        server = imaplib.IMAP4_SSL(
            settings.host, settings.port, ssl_context=ssl.create_default_context(), timeout=TIMEOUT_SECONDS
        )
    except (OSError, imaplib.IMAP4.error) as error:
        raise MailboxError(type(error).__name__) from error
    try:
        yield _signed_in(server, settings)
    except (OSError, imaplib.IMAP4.error) as error:
        raise MailboxError(type(error).__name__) from error
    finally:
        _sign_out(server)


def _signed_in(server: imaplib.IMAP4_SSL, settings: ImapSettings) -> Mailbox:
    try:
        server.login(settings.username, settings.password)
    except imaplib.IMAP4.error as error:
        raise MailboxError("sign_in_refused") from error
    folder = settings.folder.replace("\\", "\\\\").replace('"', '\\"')
    status, _ = server.select(f'"{folder}"')
    if status != "OK":
        raise MailboxError("no_such_folder")
    return Mailbox(server)


def _sign_out(server: imaplib.IMAP4_SSL) -> None:
    """Politely where it can be, and closed in any case."""
    try:
        server.logout()
    except (OSError, imaplib.IMAP4.error):
        with suppress(OSError):
            server.shutdown()
